"""The lines that loggers write which do not propagate."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class Log(logging.Handler):
    """The lines of some loggers that do not propagate."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def count(self, words: str) -> int:
        return sum(words in line for line in self.lines)

    def has(self, *words: str) -> bool:
        """Whether some line has all these words."""
        return any(all(word in line for word in words) for line in self.lines)


@contextmanager
def logged(*names: str) -> Iterator[Log]:
    """Collect what is logged, until the block ends."""
    log = Log()
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(log)
        logger.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(log)
            logger.setLevel(level)
