"""Text to token ids and back, by a tokenizer.json of Hugging Face's `tokenizers`.

encode  writes PREFIX.train.bin and, with --validation, PREFIX.validation.bin: little-endian ids, the files of
        data.tokenizer uint16 or, of more than 65,536 tokens, uint32. Goes on where it was interrupted, even by SIGKILL or a
        full disk: PREFIX.state says how far the files are whole, and is gone when they are complete. Text is encoded in
        pieces of about 1 MiB that end with a line.
ids     prints the ids of a text with commas between, for pacictl generate --prompt-tokens.
decode  prints the text of such ids.
"""
import argparse
import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Iterator

from tokenizers import Tokenizer
from tqdm import tqdm

PIECE = 1 << 20  # bytes
MAX_VOCABULARY = 1 << 24  # of model.vocabulary


def fail(message: str) -> None:
    sys.exit(f"data: {message}")


def load(path: pathlib.Path) -> Tokenizer:
    try:
        return Tokenizer.from_str(path.read_text())
    except OSError as error:
        fail(f"cannot read the tokenizer {path}: {error.strerror}")
    except Exception as error:  # the library raises nothing narrower
        fail(f"{path} is no tokenizer.json: {error}")


def pieces(path: pathlib.Path, offset: int) -> Iterator[tuple[bytes, int]]:
    """From `offset` on, each with the offset of its end."""
    with open(path, "rb") as file:
        file.seek(offset)
        while piece := file.read(PIECE):
            piece += file.readline()
            offset += len(piece)
            yield piece, offset


class Progress:
    """What has been written for good. One file a set of inputs and options; of another set it is an error."""

    def __init__(self, path: pathlib.Path, work: dict):
        self.path, self.work = path, work
        self.input, self.offset, self.piece = 0, 0, 0
        self.bytes: dict[str, int] = {}
        if not path.exists():
            return
        state = json.loads(path.read_text())
        if state["work"] != work:
            fail(f"{path} is of other inputs, another tokenizer or another --validation; remove it to begin anew")
        self.input, self.offset, self.piece, self.bytes = state["input"], state["offset"], state["piece"], state["bytes"]

    def save(self) -> None:
        partial = self.path.with_name(self.path.name + ".partial")
        with open(partial, "w") as file:
            json.dump({"work": self.work, "input": self.input, "offset": self.offset, "piece": self.piece,
                       "bytes": self.bytes}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)


class Output:
    """A file of ids of `width` bytes, cut back to what was written for good."""

    def __init__(self, path: pathlib.Path, progress: Progress, width: int):
        self.name, self.progress, self.width = path.name, progress, width
        self.file = open(path, "r+b" if path.exists() else "w+b")
        kept = progress.bytes.setdefault(self.name, 0)
        if self.file.seek(0, os.SEEK_END) < kept:
            fail(f"{path} has fewer bytes than {progress.path} says; remove both to begin anew")
        self.file.truncate(kept)
        self.file.seek(kept)

    def write(self, ids: list[int]) -> None:
        self.file.write(b"".join(i.to_bytes(self.width, "little") for i in ids))
        self.file.flush()
        os.fsync(self.file.fileno())
        self.progress.bytes[self.name] = self.file.tell()


def encode(options: argparse.Namespace) -> None:
    tokenizer = load(options.tokenizer)
    if tokenizer.get_vocab_size() > MAX_VOCABULARY:
        fail(f"{options.tokenizer} has {tokenizer.get_vocab_size()} tokens; expected at most {MAX_VOCABULARY}")
    width = 2 if tokenizer.get_vocab_size() <= 1 << 16 else 4
    end = tokenizer.token_to_id(options.end) if options.end else None
    if options.end and end is None:
        fail(f"{options.tokenizer} has no token {options.end!r}, which --end puts after each file")
    every = round(1 / options.validation) if options.validation else 0
    sizes = [path.stat().st_size for path in options.files]
    work = {"files": [[str(path.resolve()), size] for path, size in zip(options.files, sizes)], "every": every,
            "end": options.end, "tokenizer": hashlib.sha256(options.tokenizer.read_bytes()).hexdigest()}
    prefix = options.out
    prefix.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(prefix.with_name(prefix.name + ".state"), work)
    names = ("train", "validation") if every else ("train",)
    outputs = [Output(prefix.with_name(f"{prefix.name}.{name}.bin"), progress, width) for name in names]
    done = sum(sizes[:progress.input]) + progress.offset
    with tqdm(total=sum(sizes), initial=done, unit="B", unit_scale=True, disable=options.quiet) as bar:
        while progress.input < len(options.files):
            path = options.files[progress.input]
            for piece, offset in pieces(path, progress.offset):
                ids = tokenizer.encode(piece.decode("utf-8", "replace")).ids
                if offset == sizes[progress.input] and end is not None:
                    ids.append(end)
                is_validation = every and progress.piece % every == every - 1
                outputs[1 if is_validation else 0].write(ids)
                bar.update(offset - progress.offset)
                progress.offset, progress.piece = offset, progress.piece + 1
                progress.save()
            progress.input, progress.offset = progress.input + 1, 0
            progress.save()
    progress.path.unlink()
    counts = ", ".join(f"{output.name}: {progress.bytes[output.name] // width} tokens" for output in outputs)
    print(f"{counts}; data.tokenizer: uint{8 * width}; model.vocabulary: {tokenizer.get_vocab_size()}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run data", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in ("encode", "ids", "decode"):
        verb = verbs.add_parser(name)
        verb.add_argument("--tokenizer", type=pathlib.Path, required=True, metavar="TOKENIZER.JSON")
        if name == "encode":
            verb.add_argument("--out", type=pathlib.Path, required=True, metavar="PREFIX")
            verb.add_argument("--validation", type=float, default=0, metavar="SHARE", help="of the pieces, such as 0.01")
            verb.add_argument("--end", metavar="TOKEN", help="after each file, such as '<|endoftext|>'")
            verb.add_argument("--quiet", action="store_true", help="no progress bar")
            verb.add_argument("files", nargs="+", type=pathlib.Path, metavar="TEXT")
        else:
            verb.add_argument("text", metavar="TEXT" if name == "ids" else "ID,ID")
    options = parser.parse_args()
    if options.verb == "encode":
        if not 0 <= options.validation <= 0.5:
            parser.error(f"--validation is {options.validation}; expected 0 to 0.5")
        for path in options.files:
            if not path.is_file():
                parser.error(f"{path} is no file")
    return options


def main() -> None:
    options = parse()
    if options.verb == "encode":
        try:
            encode(options)
        except OSError as error:
            fail(f"{error.filename or options.out}: {error.strerror}; what is done is kept, and the same command goes on")
        return
    tokenizer = load(options.tokenizer)
    if options.verb == "ids":
        print(",".join(map(str, tokenizer.encode(options.text).ids)))
        return
    try:
        print(tokenizer.decode([int(word) for word in options.text.split(",")]))
    except (ValueError, OverflowError):
        fail(f"{options.text!r} are no token ids; expected numbers with commas between")


if __name__ == "__main__":
    main()
