"""Reads the test vectors with the second reader: `python3 check_vectors.py FOLDER`."""

import json
import pathlib
import sys

import announcements
import clusters
import dagcbor


def complaints(folder, line):
    data = (folder / line["file"]).read_bytes()
    try:
        reader = clusters if line["kind"] in clusters.DOMAINS else announcements
        body = reader.read(line["kind"], data)
    except announcements.Refused as error:
        if line["valid"]:
            yield f"is valid, but was refused: {error}"
        elif error.reason not in line["reasons"]:
            yield f"was refused for {error}, expected {line['reasons']}"
        return
    if not line["valid"]:
        yield f"was read, but must be refused: {line['reasons']}"
        return
    if announcements.cid(data).hex() != line["cid"]:
        yield "has another CID"
    raw = data if line["kind"] == "segment" else data[76:]
    if dagcbor.encode(body) != raw:
        yield "is written differently"


def feed(folder):
    chain = [(folder / f"feed-{n}.dagcbor").read_bytes() for n in range(5)]
    segment = (folder / "feed-segment.dagcbor").read_bytes()
    found = announcements.state(chain[:4])
    if found != announcements.read("segment", segment)["entries"]:
        yield "the snapshot is not what the announcements add up to"
    op = announcements.read("announcement", chain[4])["ops"][0]["snapshot"]
    if op["segments"] != [announcements.cid(segment)]:
        yield "the snapshot links other segments"


def main(folder):
    index = json.loads((folder / "index.json").read_text())
    found = [f"{line['file']} {text}" for line in index for text in complaints(folder, line)]
    if any(line["file"].startswith("feed-") for line in index):
        found += feed(folder)
    for text in found:
        print(text)
    print(f"{len(index)} vectors, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
