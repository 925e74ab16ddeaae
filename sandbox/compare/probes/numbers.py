"""Integers are exact whatever their size, floats come back as the same double."""

from sandbox.compare.probe import echo, error, group

NUMBERS = group(
    "Numbers",
    echo("over-2-53", "2**53 + 1 is exact.", "9007199254740993"),
    echo("over-2-64", "2**64 is exact.", "18446744073709551616"),
    echo("digits-300", "An integer of 300 digits is exact.", "-" + "1234567890" * 30),
    echo("digits-5000", "An integer of 5,000 digits is exact.", "9" * 5000),
    echo("smallest-double", "5e-324 is a double.", "5e-324"),
    echo("huge-double", "1e308 is a double.", "1e308"),
    echo("one-point-zero", "1.0 does not become 1.", "1.0"),
    echo("negative-zero", "-0.0 keeps its sign.", "-0.0"),
    echo("integer-negative-zero", "-0 is the integer 0.", "-0", "0"),
    error("over-double", "No double holds 1e400.", '{"message": 1e400}', "invalid_json"),
    error("nan", "NaN is not JSON.", '{"message": NaN}', "invalid_json"),
    error("infinity", "Infinity is not JSON.", '{"message": [-Infinity]}', "invalid_json"),
    error("leading-zero", "01 is not JSON.", '{"message": 01}', "invalid_json"),
)
