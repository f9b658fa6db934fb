// The table of job_key.h. A new key of a job file is a field in job.proto and a row here.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/job_key.h"
#include "common/config/key_value.h"
#include "common/config/model_shape.h"
#include "common/schedule/presets.h"

namespace paci {
namespace {

using Kind = KeyDefault::Kind;

constexpr double kMaxUpdates = 1e12;
constexpr double kMaxUint32 = 4294967295;
constexpr double kMaxSeed = 9007199254740991;  // 2^53 - 1: a JSON number holds it exactly

constexpr KeyDefault Required() { return {Kind::kRequired}; }
constexpr KeyDefault RequiredUnlessEmulated() { return {Kind::kRequiredUnlessEmulated}; }
constexpr KeyDefault Constant(absl::string_view text) { return {Kind::kConstant, text}; }
constexpr KeyDefault Derived(absl::string_view how, std::string (*derive)(const v1::JobSpec&)) {
  return {Kind::kDerived, how, derive};
}

constexpr Range Between(double min, double max) { return {min, max}; }
constexpr Range From(double min) { return {min}; }
constexpr Range Above(double min) {
  Range range = {min};
  range.excludes_min = true;
  return range;
}
constexpr Range FromBelow(double min, double max) {
  Range range = {min, max};
  range.excludes_max = true;
  return range;
}

std::vector<std::string> Schedules() {
  std::vector<std::string> names;
  for (const Preset& preset : Presets()) names.emplace_back(preset.name);
  return names;
}
std::vector<std::string> Optimizers() { return {"adamw", "muon", "soap", "lion"}; }
std::vector<std::string> Devices() { return {"cpu", "cuda"}; }

std::string DefaultVocabulary(const v1::JobSpec& spec) {
  switch (spec.data().tokenizer()) {
    case v1::TOKENIZER_UINT16:
      return "50257";
    case v1::TOKENIZER_UINT32:
      return "128256";
    default:
      return "256";
  }
}
bool IsInterleaved(const v1::JobSpec& spec) { return spec.pipeline().schedule() == "interleaved"; }

std::string DefaultAccumulation(const v1::JobSpec& spec) {
  const uint32_t stages = std::max(spec.pipeline().stages(), 2u);
  if (IsInterleaved(spec)) return absl::StrCat(stages);
  const uint32_t extra = spec.pipeline().stages() > 1 ? spec.pipeline().extra_in_flight() : 0;
  return absl::StrCat(stages - 1 + extra);
}
std::string DefaultKvHeads(const v1::JobSpec& spec) { return absl::StrCat(spec.model().heads()); }
std::string DefaultFfnHidden(const v1::JobSpec& spec) {
  v1::ModelSpec model = spec.model();
  model.clear_ffn_hidden();
  return absl::StrCat(FfnHidden(model));
}
std::string DefaultChunks(const v1::JobSpec& spec) { return IsInterleaved(spec) ? "2" : "1"; }
std::string DefaultPartitionBy(const v1::JobSpec& spec) {
  return spec.pipeline().order() == v1::ORDER_STRICT ? "flops" : "measured";
}
std::string DefaultBeta1(const v1::JobSpec& spec) {
  return spec.pipeline().schedule() == "nesterov" ? "0.99" : "0.9";
}
std::string DefaultWarmup(const v1::JobSpec& spec) {
  const uint64_t percent = (spec.train().updates() + 99) / 100;
  return absl::StrCat(std::min<uint64_t>(percent, static_cast<uint64_t>(kMaxUint32)));
}
std::string DefaultWeightsSeconds(const v1::JobSpec& spec) {
  return absl::StrCat(PrintNumber(spec.emulation().backward_seconds() / 2), "s");
}
std::string DefaultRescale(const v1::JobSpec& spec) {
  const uint64_t tenth = std::max<uint64_t>(spec.train().updates() / 10, 1);
  return absl::StrCat(std::min<uint64_t>(tenth, static_cast<uint64_t>(kMaxUint32)));
}
std::string DefaultPrecision(const v1::JobSpec& spec) {
  return spec.train().device() == "cuda" ? "bf16" : "fp32";
}
std::string DefaultEvalEvery(const v1::JobSpec& spec) {
  if (spec.data().validation().empty()) return "0";
  return absl::StrCat(std::max<uint64_t>(spec.train().updates() / 10, 1));
}

// path, type, default, range, unit, documentation, choices
constexpr JobKey kKeys[] = {
    {"name", KeyType::kName, Required(), {}, "", "What the job is called; its id is made of it."},

    {"model.layers", KeyType::kCount, Required(), Between(1, 1024), "", "Transformer blocks."},
    {"model.hidden", KeyType::kCount, Required(), Between(1, 65536), "",
     "Width of the residual stream; divisible by `heads`."},
    {"model.heads", KeyType::kCount, Required(), Between(1, 1024), "", "Attention heads."},
    {"model.context", KeyType::kCount, Required(), Between(1, 1048576), "tokens",
     "Length of a sequence."},
    {"model.vocabulary", KeyType::kCount,
     Derived("256 with `tokenizer: bytes`, 50257 with `uint16`, 128256 with `uint32`",
             DefaultVocabulary),
     Between(1, 16777216), "", "Token ids are 0 to `vocabulary` - 1."},
    {"model.dropout", KeyType::kNumber, Constant("0"), FromBelow(0, 1), "",
     "Probability of dropping an element of the embedding, the attention and each residual branch, "
     "in training."},
    {"model.family",
     KeyType::kChoice,
     Constant("gpt2"),
     {},
     "",
     "`gpt2`: learned positions, LayerNorm, GELU, biases. `llama`: rotary positions, RMSNorm, "
     "SwiGLU, no biases."},
    {"model.kv_heads", KeyType::kCount, Derived("`heads`", DefaultKvHeads), Between(1, 1024), "",
     "With `llama`, heads of keys and values, each of which serves `heads` / `kv_heads` of the "
     "queries' (grouped-query attention)."},
    {"model.ffn_hidden", KeyType::kCount,
     Derived("4 `hidden`; with `llama` 8/3 of it, rounded up to a multiple of 64",
             DefaultFfnHidden),
     Between(1, 1048576), "", "Width inside the MLP."},
    {"model.rope_theta", KeyType::kNumber, Constant("10000"), Above(0), "",
     "With `llama`, base of the rotary positions."},
    {"model.norm_epsilon", KeyType::kNumber, Constant("1e-5"), Above(0), "",
     "What a norm adds to the variance, or the mean square, that it divides by."},
    {"model.rope_factor", KeyType::kNumber, Constant("1"), From(1), "",
     "With `llama`, as in Llama 3.1: rotary positions that turn less than `rope_low_frequency` "
     "times over `rope_original_context` tokens turn so many times slower. 1: none do."},
    {"model.rope_low_frequency", KeyType::kNumber, Constant("1"), Above(0), "",
     "With a `rope_factor` above 1."},
    {"model.rope_high_frequency", KeyType::kNumber, Constant("4"), Above(0), "",
     "With a `rope_factor` above 1: what turns more often over that length turns as ever, what is "
     "between the two in between."},
    {"model.rope_original_context", KeyType::kCount, Constant("8192"), Between(1, 1048576),
     "tokens", "With a `rope_factor` above 1: context of the model before it was extended."},
    {"model.tied_head",
     KeyType::kBool,
     Constant("false"),
     {},
     "",
     "Whether the head scores with the embedding's matrix, and has no weights of its own; see "
     "Models."},

    {"data.train", KeyType::kPaths, RequiredUnlessEmulated(), Between(0, 4096), "",
     "Training text, a path as the workers see it; `*`, `?` and `[]` in a file's name stand for "
     "what they do in a shell: all files that fit, in the order of their names. Or several: "
     "`[wiki/*.bin, code/*.bin]`."},
    {"data.validation", KeyType::kPath, Constant(""), Between(0, 4096), "",
     "Validation text, the same way; empty: no validation."},
    {"data.tokenizer",
     KeyType::kChoice,
     Constant("bytes"),
     {},
     "",
     "`bytes`: a token is a byte of the file. `uint16`: the file is little-endian 16-bit token "
     "ids, as nanoGPT's `.bin`. `uint32`: the same of 32 bits."},
    {"data.weights", KeyType::kCounts, Constant("[]"), Between(1, 65536), "",
     "How several paths of `train` are mixed. With `[3, 1]` three of four sequences are of the "
     "first, one is of the second, in every four in a new order, and each path is read again from "
     "when all of it was read. Empty: every sequence of all paths is read once an epoch."},

    {"pipeline.stages", KeyType::kCount, Required(), Between(1, 1024), "",
     "Stages of the pipeline; each takes one worker."},
    {"pipeline.schedule",
     KeyType::kChoice,
     Constant("paci"),
     {},
     "",
     "What a stage does next, and when its weights change; see Schedules.",
     Schedules},
    {"pipeline.accumulation", KeyType::kCount,
     Derived("`stages` - 1 + `extra_in_flight`, at least 1; with `schedule: interleaved` `stages`",
             DefaultAccumulation),
     Between(1, 65536), "micro-batches",
     "Micro-batches an update. With `paci`, its default is the least that keeps the version lag at "
     "1."},
    {"pipeline.micro_batch", KeyType::kCount, Constant("4"), Between(1, 65536), "sequences",
     "Sequences that pass the pipeline together."},
    {"pipeline.order",
     KeyType::kChoice,
     Constant("drain_first"),
     {},
     "",
     "`drain_first`: a stage answers arrivals, gradients first. `strict`: it goes by count and not "
     "by arrival, so that two runs give the same bits. `gpipe`, `zb-h1` and `zb-2p` have an order "
     "of "
     "their own, and give the same bits in any."},
    {"pipeline.partition_by",
     KeyType::kChoice,
     Derived("`measured`, with `order: strict` `flops`", DefaultPartitionBy),
     {},
     "",
     "What balances the stages: seconds per layer that the workers measure, or arithmetic per "
     "layer, which gives the same partition every time."},
    {"pipeline.partition", KeyType::kCounts, Constant("[]"), Between(1, 1026), "",
     "Units of each stage, or of each part where a stage has several chunks; the embedding, every "
     "block and the head are a unit. Empty: balanced."},
    {"pipeline.frame_checksums",
     KeyType::kBool,
     Constant("true"),
     {},
     "",
     "Whether each frame between stages carries a checksum of its payload."},

    {"pipeline.extra_in_flight", KeyType::kCount, Constant("0"), Between(0, 64), "micro-batches",
     "In flight beyond N - i at every stage but the last. Hides some of the time that frames are "
     "under way, for as many activations more and a higher bound on the lag."},
    {"pipeline.recompute",
     KeyType::kChoice,
     Constant("none"),
     {},
     "",
     "What a stage keeps for the backward. `none`: all that it needs. `selective`: the input of "
     "each unit, whose forward runs again. `full`: the stage's input."},
    {"pipeline.chunks", KeyType::kCount,
     Derived("1, with `schedule: interleaved` 2", DefaultChunks), Between(1, 64), "",
     "Model chunks of a stage: chunk `c` of stage `i` is part `c * stages + i` of the model. More "
     "than one with `interleaved`."},
    {"pipeline.data_tls",
     KeyType::kBool,
     Constant("false"),
     {},
     "",
     "Encrypt what workers send each other, by TLS 1.3 with a key of the job and generation."},
    {"pipeline.flush_first", KeyType::kCount, Constant("0"), Between(0, kMaxUpdates), "updates",
     "The first so many are flushed, as with `1f1b`, while weights move fast; the run goes over "
     "without a drain."},
    {"pipeline.flush_last", KeyType::kCount, Constant("0"), Between(0, kMaxUpdates), "updates",
     "The last so many are flushed, as with `1f1b`; before them the pipeline drains once."},

    {"pipeline.drift_limit", KeyType::kNumber, Constant("0"), From(0), "",
     "Parameter drift of a stage with the lag of a full pipeline, as a mean since the checkpoint "
     "before, above which the job goes on from a checkpoint with half as large micro-batches, and "
     "twice as many; once twice the lag leaves it well below, with twice as large ones. "
     "`micro_batch` is the largest; the job begins with a lag of at most 1. 0: micro-batches stay "
     "as they are."},

    {"pipeline.gpu_transport",
     KeyType::kChoice,
     Constant("nccl"),
     {},
     "",
     "With `device: cuda`, how activations and gradients travel. `nccl`: from GPU to GPU, where "
     "two "
     "stages have one each and the link is not encrypted; else, and with `host`, through memory of "
     "the hosts over TCP."},

    {"optimizer.name",
     KeyType::kChoice,
     Constant("adamw"),
     {},
     "",
     "The optimizer. `muon` and `soap` step the matrices of the blocks, AdamW the rest; see "
     "Recipes.",
     Optimizers},
    {"optimizer.lr", KeyType::kNumber, Constant("3e-4"), Above(0), "", "Peak learning rate."},
    {"optimizer.beta1", KeyType::kNumber,
     Derived("0.9, with `schedule: nesterov` 0.99", DefaultBeta1), FromBelow(0, 1), "",
     "Decay of the first moment."},
    {"optimizer.beta2", KeyType::kNumber, Constant("0.95"), FromBelow(0, 1), "",
     "Decay of the second moment."},
    {"optimizer.eps", KeyType::kNumber, Constant("1e-8"), Above(0), "",
     "Added to the root of the second moment."},
    {"optimizer.weight_decay", KeyType::kNumber, Constant("0.1"), From(0), "",
     "Decoupled decay of matrices and embeddings; biases and norms have none."},
    {"optimizer.warmup_updates", KeyType::kCount,
     Derived("1% of `train.updates`, rounded up", DefaultWarmup), Between(0, kMaxUint32), "updates",
     "Linear rise of the learning rate to `lr`."},
    {"optimizer.lr_floor", KeyType::kNumber, Constant("0.1"), Between(0, 1), "",
     "The cosine after the warm-up ends at `lr` * `lr_floor`, at update `train.updates`."},
    {"optimizer.clip_norm", KeyType::kNumber, Constant("1.0"), From(0), "",
     "Bound on the 2-norm of the gradient of an update; 0: no clipping."},

    {"optimizer.correction_decay", KeyType::kNumber, Constant("0.135"), FromBelow(0, 1), "",
     "With `schedule: pipemare`: what the running mean of weight changes keeps over a lag."},
    {"optimizer.rescale_updates", KeyType::kCount,
     Derived("a tenth of `train.updates`, at least 1", DefaultRescale), Between(1, kMaxUint32),
     "updates",
     "With `schedule: pipemare`: over which the learning rate of a delayed stage rises to `lr`."},
    {"optimizer.momentum", KeyType::kNumber, Constant("0.95"), FromBelow(0, 1), "",
     "With `name: muon`: of its matrices."},
    {"optimizer.split_qkv",
     KeyType::kBool,
     Constant("true"),
     {},
     "",
     "With `name: muon` and `soap`: whether the query, key and value of a block are three "
     "matrices, "
     "and not one."},
    {"optimizer.lag_correction",
     KeyType::kChoice,
     Constant("none"),
     {},
     "",
     "What a stage does about gradients of weights some updates back. `extrapolate`: its direction "
     "goes on as it changed since the last update, as far as the stage's mean lag. "
     "`error_feedback`: as it changed since a running mean. `look_ahead`: with `name: muon`, of "
     "its "
     "momentum, which also forgets sooner. `auto`: where weights lag and the schedule does nothing "
     "about it, `look_ahead` with `name: muon`, else `extrapolate`."},
    {"optimizer.lag_correction_strength", KeyType::kNumber, Constant("1"), From(0), "",
     "Of the mean lag, how much is corrected for."},
    {"optimizer.lag_correction_always",
     KeyType::kBool,
     Constant("false"),
     {},
     "",
     "Whether it is corrected for where the schedule flushes, too, as if it did not: to compare "
     "like with like."},
    {"optimizer.lag_lr", KeyType::kNumber, Constant("0"), From(0), "",
     "A stage whose mean lag is `L` learns at `lr` / (1 + `L`)^`lag_lr`."},
    {"optimizer.clip_scope",
     KeyType::kChoice,
     Constant("stage"),
     {},
     "",
     "Whose gradient `clip_norm` bounds. `stage`: each stage's own. `pipeline`: the whole model's, "
     "of which a stage knows its own part, and the others' of an update before, which come with "
     "activations and gradients."},
    {"optimizer.rotation_every", KeyType::kCount, Constant("10"), Between(1, kMaxUint32), "updates",
     "With `name: soap`: between two turns of its bases."},
    {"optimizer.rotation_limit", KeyType::kCount, Constant("10000"), Between(0, kMaxUint32), "",
     "With `name: soap`: a side of a matrix that is longer is not rotated; 0: none is."},

    {"train.updates", KeyType::kCount, Required(), Between(1, kMaxUpdates), "updates",
     "Optimizer steps of every stage."},
    {"train.seed", KeyType::kCount, Constant("1"), Between(0, kMaxSeed), "",
     "Of weights, sample order and dropout."},
    {"train.eval_every", KeyType::kCount,
     Derived("with `data.validation` a tenth of `updates`, at least 1; else 0", DefaultEvalEvery),
     Between(0, kMaxUpdates), "updates",
     "Between validations; there is one before the first and after the last update, too. 0: none."},
    {"train.eval_batches", KeyType::kCount, Constant("16"), Between(0, 1000000), "micro-batches",
     "Length of a validation."},
    {"train.threads", KeyType::kCount, Constant("0"), Between(0, 1024), "",
     "Compute threads of a worker; 0: the worker's own setting."},
    {"train.device", KeyType::kChoice, Constant("cpu"), {}, "", "Where stages compute.", Devices},
    {"train.precision",
     KeyType::kChoice,
     Derived("`fp32`, with `device: cuda` `bf16`", DefaultPrecision),
     {},
     "",
     "Numbers of weights and activations. `bf16`: BFloat16, with float32 copies that the optimizer "
     "steps. `bf16_autocast`: float32, with matrix products in BFloat16."},

    {"checkpoint.dir", KeyType::kPath, Constant(""), Between(0, 4096), "",
     "Folder of checkpoints, a path as the workers see it; empty: no checkpoints."},
    {"checkpoint.every", KeyType::kCount, Constant("0"), Between(0, kMaxUpdates), "updates",
     "Between checkpoints; there is one after the last update, too. 0: only that one."},
    {"checkpoint.keep", KeyType::kCount, Constant("2"), Between(1, 1000000), "checkpoints",
     "Newest complete checkpoints that are kept; one or two more may lie beside them."},
    {"checkpoint.cut",
     KeyType::kChoice,
     Constant("drained"),
     {},
     "",
     "`drained`: the pipeline drains and refills at a checkpoint, so that a run which goes on from "
     "it has the bits of one that was not interrupted. `running`: it goes on, and a resumed run "
     "differs in the weights that the micro-batches in flight at the cut saw first."},
    {"checkpoint.keep_best",
     KeyType::kBool,
     Constant("true"),
     {},
     "",
     "Whether the one with the least validation loss is kept, too, however old. Only a checkpoint "
     "of an update that is validated has one: `every` is best a multiple of `train.eval_every`."},

    {"emulation.forward_seconds", KeyType::kSeconds, Required(), Between(0, 3600), "seconds",
     "Of a stage, per micro-batch."},
    {"emulation.backward_seconds", KeyType::kSeconds, Required(), Between(0, 3600), "seconds",
     "Of a stage, per micro-batch."},
    {"emulation.update_seconds", KeyType::kSeconds, Constant("0s"), Between(0, 3600), "seconds",
     "Of a stage, per update."},
    {"emulation.weights_seconds", KeyType::kSeconds,
     Derived("half of `backward_seconds`", DefaultWeightsSeconds), Between(0, 3600), "seconds",
     "Of `backward_seconds`, the half that is of the weights: an action of its own where the "
     "schedule splits backwards."},

    {"recovery.max_restarts", KeyType::kCount, Constant("20"), Between(0, 100000), "restarts",
     "After a failure the pipeline goes on from its last complete checkpoint, or from the "
     "beginning if there is none, at most so often within `window_seconds`; then the job fails. "
     "0: it fails at once."},
    {"recovery.window_seconds", KeyType::kSeconds, Constant("3600s"), Between(1, 1000000),
     "seconds", "In which restarts are counted."},
    {"recovery.replacement_seconds", KeyType::kSeconds, Constant("300s"), Between(0, 1000000),
     "seconds",
     "How long the job waits for workers to go on with, its own or others, before it fails."},
    {"recovery.min_stages", KeyType::kCount, Constant("0"), Between(0, 1024), "stages",
     "Fewest stages that the job may go on with when workers are missing for "
     "`replacement_seconds`. 0: `pipeline.stages`, it never shrinks."},
    {"recovery.stall_seconds", KeyType::kSeconds, Constant("60s"), Between(0, 1000000), "seconds",
     "When no stage moves for so long, and for ten times longer than is usual, the stage that the "
     "others wait for counts as failed. 0: never."},
    {"recovery.max_skipped_updates", KeyType::kCount, Constant("10"), Between(0, 1000000),
     "updates",
     "In a row that a stage may skip because a gradient is not finite; one more pauses the job. "
     "0: no limit."},
    {"recovery.mode",
     KeyType::kChoice,
     Constant("exact"),
     {},
     "",
     "`exact`: after a failure every stage goes back to the last checkpoint, and the run has the "
     "bits of one that did not fail. `fast`: only the stages that failed do; the others keep their "
     "weights, and drop the micro-batches that were in flight."},
    {"recovery.replicate",
     KeyType::kChoice,
     Constant("none"),
     {},
     "",
     "With mode `fast`. `neighbour`: each stage keeps a copy of its weights and optimizer state in "
     "the memory of the next one, of the last in that of the first, from which a stage that failed "
     "goes on."},
    {"recovery.replicate_every", KeyType::kCount, Constant("1"), Between(1, 1000000), "updates",
     "Between two copies."},
};

}  // namespace

absl::Span<const JobKey> JobKeys() { return kKeys; }

}  // namespace paci
