"""./run test models, second part: ./run data. A tokenizer is trained on real text; files of ids that were interrupted by SIGKILL
again and again are those of the run that nobody disturbed, and decode to the text; a job learns from them, and what it
generates is text again.

usage: data_test.py BUILD, by the Python of .deps/models
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["PACI_BIN"] = str(BUILD / "bin")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from cluster import cluster, kjv  # noqa: E402

END = "<|endoftext|>"


def command(*arguments: object) -> list[str]:
    return [str(ROOT / "run"), "data", *map(str, arguments)]


def make_tokenizer(path: pathlib.Path, text: pathlib.Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train([str(text)], trainers.BpeTrainer(vocab_size=600, special_tokens=[END], show_progress=False,
                                                     initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.save(str(path))


def encode(work: pathlib.Path, name: str, texts: list[pathlib.Path], kills: int) -> tuple[bytes, bytes]:
    arguments = command("encode", "--tokenizer", work / "tokenizer.json", "--out", work / name, "--validation", "0.2", "--end",
                        END, "--quiet", *texts)
    state, killed, seen = work / f"{name}.state", 0, ""
    while True:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        while process.poll() is None and killed < kills:
            now = state.read_text() if state.exists() else ""
            if now != seen:  # it has got on
                process.kill()
                killed, seen = killed + 1, now
            time.sleep(0.001)
        output = process.communicate()[0]
        if process.returncode == 0:
            break
        assert process.returncode == -9, process.returncode
    assert killed == kills, f"{killed} kills of {kills}: it was too fast"
    assert not state.exists()
    assert "model.vocabulary: 600" in output, output
    return (work / f"{name}.train.bin").read_bytes(), (work / f"{name}.validation.bin").read_bytes()


def check_files(work: pathlib.Path, texts: list[pathlib.Path]) -> None:
    train, validation = encode(work, "calm", texts, 0)
    assert (train, validation) == encode(work, "stormy", texts, 6)
    ids = [int.from_bytes(train[i:i + 2], "little") for i in range(0, 4000, 2)]
    text = subprocess.run(command("decode", "--tokenizer", work / "tokenizer.json", ",".join(map(str, ids))), check=True,
                          capture_output=True, text=True).stdout.rstrip("\n")
    assert texts[0].read_text().startswith(text), text[:200]
    end = Tokenizer.from_file(str(work / "tokenizer.json")).token_to_id(END).to_bytes(2, "little")
    assert sum(data[i:i + 2] == end for data in (train, validation) for i in range(0, len(data), 2)) == len(texts)
    print(f"ok: files of {len(train) // 2} and {len(validation) // 2} ids, the same after 6 kills")


def check_errors(work: pathlib.Path, text: pathlib.Path) -> None:
    def error(*arguments: object) -> str:
        done = subprocess.run(command(*arguments), capture_output=True, text=True)
        assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
        return done.stderr

    tokenizer = work / "tokenizer.json"
    assert "no tokenizer.json" in error("ids", "--tokenizer", text, "a")
    assert "No such file" in error("ids", "--tokenizer", work / "none", "a")
    assert "no token ids" in error("decode", "--tokenizer", tokenizer, "1,x")
    assert "no token 'none'" in error("encode", "--tokenizer", tokenizer, "--out", work / "e", "--end", "none", text)
    (work / "other.state").write_text(json.dumps({"work": {}}))
    assert "of other inputs" in error("encode", "--tokenizer", tokenizer, "--out", work / "other", text)
    print("ok: errors name what is wrong")


def check_large_vocabulary(work: pathlib.Path) -> None:
    words = {f"w{i}": i for i in range(70000)}
    tokenizer = Tokenizer(models.WordLevel(words))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(work / "large.json"))
    ids = [0, 65535, 65536, 69999]
    (work / "words.txt").write_text(" ".join(f"w{i}" for i in ids))
    output = subprocess.run(command("encode", "--tokenizer", work / "large.json", "--out", work / "large", "--quiet",
                                    work / "words.txt"), check=True, capture_output=True, text=True).stdout
    assert "large.train.bin: 4 tokens; data.tokenizer: uint32; model.vocabulary: 70000" in output, output
    assert (work / "large.train.bin").read_bytes() == b"".join(i.to_bytes(4, "little") for i in ids)
    print("ok: more than 65,536 tokens have ids of 32 bits")


def check_job(work: pathlib.Path) -> None:
    file = work / "job.yaml"
    file.write_text(f"""
name: words
model: {{family: llama, layers: 2, hidden: 64, heads: 4, kv_heads: 2, context: 32, vocabulary: 600}}
data: {{train: "{work}/calm.train.bin", validation: "{work}/calm.validation.bin", tokenizer: uint16}}
pipeline: {{stages: 2, micro_batch: 8, accumulation: 2}}
optimizer: {{lr: 3.0e-3}}
train: {{updates: 60, eval_every: 60, threads: 1}}
checkpoint: {{dir: {work}/runs}}
""")
    with cluster(2) as running:
        job = running.run_job(file, {})
        assert job["state"] == "JOB_STATE_COMPLETED", job["reason"]
        losses = [point["loss"] for point in job["points"] if "loss" in point]
        assert losses[-1] < losses[0] - 1, losses
        ids = subprocess.run(command("ids", "--tokenizer", work / "tokenizer.json", "And the LORD"), check=True,
                             capture_output=True, text=True).stdout.strip()
        made = running.ctl("generate", job["id"], "--prompt-tokens", ids, "--max-tokens", "30", "--top-k", "20")["tokens"]
        text = subprocess.run(command("decode", "--tokenizer", work / "tokenizer.json", f"{ids},{','.join(map(str, made))}"),
                              check=True, capture_output=True, text=True).stdout
        assert text.startswith("And the LORD") and re.search("[a-z]{2}", text[12:]), text
        print(f"ok: a Llama learned from {losses[0]:.3f} to {losses[-1]:.3f} and goes on: {text.strip()!r}")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="paci-data-") as name:
        work = pathlib.Path(name)
        texts = [kjv()[0], kjv()[1]]
        make_tokenizer(work / "tokenizer.json", texts[1])
        check_files(work, texts)
        check_errors(work, texts[1])
        check_large_vocabulary(work)
        check_job(work)


if __name__ == "__main__":
    main()
