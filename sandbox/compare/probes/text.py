"""Every Unicode character is kept, and nothing else is one."""

from sandbox.compare.probe import echo, error, group

TEXT = group(
    "Text",
    echo("astral", "Characters beyond 16 bits come back.", '"😀𝄞"'),
    echo("surrogate-pair", "An escaped pair is its character.", '"\\ud83d\\ude00"', '"😀"'),
    error(
        "lone-surrogate",
        "Half an escaped pair is no character.",
        '{"message": "\\ud800"}',
        "invalid_json",
    ),
    error(
        "surrogate-by-digits",
        "Half an escaped pair is no character either where the request has a huge integer.",
        f'{{"message": [{"9" * 5000}, "\\ud800"]}}',
        "invalid_json",
    ),
    echo("combining", "Unicode is not normalised.", '"e\u0301 é ﬁ"'),
    echo("right-to-left", "Writing direction is kept.", '"\u202eשלום مرحبا"'),  # noqa: RUF001 # no Latin letter is meant
    echo("separators", "U+2028, DEL and U+FFFF are text.", '"\u2028\u2029\x7f\uffff"'),
    echo(
        "control",
        "Control characters come back escaped.",
        '"\\u0001\\u001f\\u007f"',
        '"\\u0001\\u001f\x7f"',
    ),
    echo("nul", "An escaped NUL is a character.", '"a\\u0000b"'),
    echo("escapes", "Short escapes are read.", r'"\"\\\/\b\f\n\r\t"', r'"\"\\/\b\f\n\r\t"'),
    error(
        "raw-control",
        "A raw control character in a string is not JSON.",
        '{"message": "\n"}',
        "invalid_json",
    ),
)
