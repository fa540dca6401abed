"""Checks the skeleton of a CDF file before cdflib reads one of its variables.

A CDF is a web of records that point to each other. cdflib follows it in good faith: a record that points to itself keeps
it busy for ever, and a number of dimensions or records that a file merely claims fills the memory. Here the part of the
web that leads to one variable is walked first, and refused where it has loops, claims more than the file holds or
unpacks to more than it says. The layout is that of NASA's "CDF Internal Format Description", versions 2.5 to 3.9.
"""

import struct
import zlib
from dataclasses import dataclass

UNCOMPRESSED, COMPRESSED = b"\0\0\xff\xff", b"\xcc\xcc\0\x01"
CDR, GDR, R_VARIABLE, VXR, VVR, Z_VARIABLE, CCR, CVVR = 1, 2, 3, 6, 7, 8, 10, 13
GZIP = 5

FLOATS = {21: 4, 22: 8, 44: 4, 45: 8}
"""CDF's numbers for the real types, and their bytes."""

MOST_VARIABLES, MOST_DIMENSIONS, MOST_INDEX_RECORDS = 100, 10, 300

_VARIABLE = "oioiiooii12xiioi"


@dataclass(frozen=True)
class _Format:
    """What differs between versions 2 and 3: how large offsets and names are, and so where the rest stands.

    Attributes:
        offset: how `struct` calls an offset.
        variable: the fields of a variable's record, from its size to its name.
        r_sizes: where in the second record the dimensions of the old kind of variables stand.
    """

    offset: str
    variable: str
    r_sizes: int

    def unpack(self, fields: str, data: bytes, at: int) -> tuple:
        """Big-endian fields; `o` stands for an offset."""
        if at < 8:
            raise ValueError(f"a record is said to be at byte {at}")
        return struct.unpack_from(">" + fields.replace("o", self.offset), data, at)

    def size(self, fields: str) -> int:
        return struct.calcsize(">" + fields.replace("o", self.offset))

    def record(self, fields: str, data: bytes, at: int, more: int = 0) -> tuple:
        """The fields of a record, the first of which is its size: that must hold them and as many bytes more."""
        values = self.unpack(fields, data, at)
        if not self.size(fields) + more <= values[0] <= len(data) - at:
            raise ValueError(f"a record at byte {at} says that it has {values[0]} bytes")
        return values


_FORMATS = {
    b"\xcd\xf3\x00\x01": _Format("q", _VARIABLE + "256s", 84),
    b"\xcd\xf2\x60\x02": _Format("i", _VARIABLE + "64s", 60),
}


@dataclass(frozen=True)
class _Variable:
    head: int
    records: int
    values: int
    itemsize: int


def is_compressed(data: bytes) -> bool:
    """Whether the file is compressed as a whole."""
    return data[4:8] == COMPRESSED


def inflate(data: bytes, limit: int) -> bytes:
    """A CDF that is compressed as a whole by gzip, uncompressed; ValueError where it is not whole or unpacks to more."""
    kind = _format(data)
    size, record, parameters = kind.record("oio", data, 8)
    start = 8 + kind.size("oiooi")
    method = kind.unpack("oii", data, parameters)[2]
    if record != CCR or method != GZIP:
        raise ValueError(f"compressed by method {method}; expected gzip")
    return data[:4] + UNCOMPRESSED + _inflate(data[start : 8 + size], limit)


def check_variable(data: bytes, name: str, limit: int) -> None:
    """Whether cdflib can be let loose on the variable.

    Args:
        data: the whole file, uncompressed.
        name: of a variable of floating-point numbers.
        limit: bytes that its values may have.

    Raises:
        ValueError, struct.error, zlib.error: no; says why.
    """
    kind = _format(data)
    if data[4:8] != UNCOMPRESSED:
        raise ValueError("neither marked as compressed nor as uncompressed")
    size, record, first, version, release = kind.record("oioii", data, 8)
    if record != CDR or first != 8 + size or (version, release) < (2, 5):
        raise ValueError(f"its first record is of kind {record}, version {version}.{release}; expected 2.5 or newer")
    variable = _find(data, kind, first, name)
    if variable.records * variable.values * variable.itemsize > limit:
        raise ValueError(f"{name!r} is said to have {variable.records:,} records of {variable.values:,} numbers")
    _check_blocks(data, kind, variable, limit)


def _format(data: bytes) -> _Format:
    if data[:4] not in _FORMATS:
        raise ValueError(f"begins with {data[:4].hex() or 'nothing'}, not like a CDF of version 2.5 or newer")
    return _FORMATS[data[:4]]


def _find(data: bytes, kind: _Format, at: int, name: str) -> _Variable:
    """The one variable of that name, capitals and blanks aside, as cdflib compares names."""
    fields = kind.record("oi" + "oooo" + "iiiii", data, at)
    record, first_r, first_z = fields[1:4]
    count_r, _, _, r_dimensions, count_z = fields[6:]
    if record != GDR:
        raise ValueError(f"its second record is of kind {record}, expected {GDR}")
    if (
        not 0 <= r_dimensions <= MOST_DIMENSIONS
        or not 0 <= count_r + count_z <= MOST_VARIABLES
        or min(count_r, count_z) < 0
    ):
        raise ValueError(f"is said to have {count_r} + {count_z} variables, of {r_dimensions} dimensions")
    kind.record("o", data, at, kind.r_sizes - kind.size("o") + 4 * r_dimensions)
    r_sizes = kind.unpack(f"{r_dimensions}i", data, at + kind.r_sizes)
    found = []
    for place, count in ((first_z, count_z), (first_r, count_r)):
        for _ in range(count):
            fields = kind.unpack(kind.variable, data, place)
            if fields[-1].replace(b"\0", b"").decode("ascii").strip().lower() == name.strip().lower():
                found.append(_variable(data, kind, place, r_sizes))
            place = fields[2]
    if len(found) != 1:
        raise ValueError(f"has {len(found)} variables {name!r}; expected one")
    return found[0]


def _variable(data: bytes, kind: _Format, at: int, r_sizes: tuple[int, ...]) -> _Variable:
    _, record, _, data_type, last, head, _, flags, sparse, elements, *_ = kind.record(kind.variable, data, at)
    begin, at = at, at + kind.size(kind.variable)
    if record == Z_VARIABLE:
        (dimensions,) = kind.unpack("i", data, at)
        if not 0 <= dimensions <= MOST_DIMENSIONS:
            raise ValueError(f"a variable is said to have {dimensions} dimensions")
        kind.record(kind.variable, data, begin, 4 + 8 * dimensions)
        sizes = kind.unpack(f"{dimensions}i", data, at + 4)
        varies = kind.unpack(f"{dimensions}i", data, at + 4 + 4 * dimensions)
    elif record == R_VARIABLE:
        kind.record(kind.variable, data, begin, 4 * len(r_sizes))
        sizes, varies = r_sizes, kind.unpack(f"{len(r_sizes)}i", data, at)
    else:
        raise ValueError(f"a variable's record is of kind {record}")
    if data_type not in FLOATS or elements != 1 or sparse != 0:
        raise ValueError(f"a variable of type {data_type} x {elements}, sparse {sparse}; expected floats, not sparse")
    values = 1
    for size, varying in zip(sizes, varies, strict=True):
        if size < 1:
            raise ValueError(f"a variable has the dimensions {sizes}")
        values *= size if varying else 1
    records = last + 1 if flags & 1 else 1
    if records < 1:
        raise ValueError("a variable without a single record")
    return _Variable(head, records, values, FLOATS[data_type])


def _check_blocks(data: bytes, kind: _Format, variable: _Variable, limit: int) -> None:
    """Walks the index records: their blocks must follow each other, be there, and hold as much as they say."""
    size = variable.values * variable.itemsize
    following, unpacked, seen, places = 0, 0, set(), [variable.head]
    while places:
        at = places.pop()
        if at in seen or len(seen) >= MOST_INDEX_RECORDS:
            raise ValueError("its index runs in a circle or is longer than any recording's")
        seen.add(at)
        _, record, further, entries, used = kind.record("oioii", data, at)
        if record != VXR or not 0 <= used <= entries <= len(data):
            raise ValueError(f"an index record of kind {record} says that it has {used} of {entries} entries")
        kind.record("oioii", data, at, entries * kind.size("iio"))
        start = at + kind.size("oioii")
        firsts = kind.unpack(f"{used}i", data, start)
        lasts = kind.unpack(f"{used}i", data, start + 4 * entries)
        offsets = kind.unpack(f"{used}o", data, start + 8 * entries)
        below = [offset for offset in offsets if kind.unpack("oi", data, offset)[1] == VXR]
        if below and len(below) < used:
            raise ValueError("an index record points to data and to index records")
        # The next to look at is the last of the list: first what this record points to, then the one that follows it.
        places += ([further] if further else []) + below[::-1]
        for first, last, offset in zip(firsts, lasts, offsets, strict=True) if not below else ():
            if first != following or last < first:
                raise ValueError(f"records {first} to {last} follow record {following - 1}")
            following = last + 1
            expected = (last - first + 1) * size
            found = _block_size(data, kind, offset, expected)
            if found < expected or (found > expected and following < variable.records):
                raise ValueError(f"a block has {found:,} bytes of values; expected {expected:,}")
            unpacked += found
            if unpacked > limit:
                raise ValueError(f"unpacks to more than {limit:,} bytes")
    if following < variable.records:
        raise ValueError(f"is said to have {variable.records:,} records, of which {following:,} are there")


def _block_size(data: bytes, kind: _Format, at: int, most: int) -> int:
    """Bytes of values in a block; a compressed one may not have more than `most`."""
    size, record = kind.record("oi", data, at)
    if record == VVR:
        return size - kind.size("oi")
    if record == CVVR:
        packed = kind.record("oiio", data, at)[3]
        start = at + kind.size("oiio")
        return len(_inflate(data[start : start + max(packed, 0)], most))
    raise ValueError(f"a block of values is of kind {record}")


def _inflate(packed: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    unpacked = inflater.decompress(packed, limit + 1)
    if len(unpacked) > limit or not inflater.eof or inflater.unused_data.strip(b"\0"):
        raise ValueError(f"unpacks to more than {limit:,} bytes, or is cut off")
    return unpacked
