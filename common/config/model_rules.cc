#include "common/config/model_rules.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/config/model_shape.h"
#include "common/schedule/presets.h"

namespace paci {
namespace {

constexpr double kMaxParameters = 1e12;

// Matrices and embeddings; what is left out is a share of 1/hidden.
double Parameters(const v1::ModelSpec& model) {
  const double hidden = model.hidden();
  return static_cast<double>(BlockMatrices(model)) * model.layers() +
         hidden * (2.0 * model.vocabulary() + model.context());
}

std::string HeadsDivideHidden(const v1::JobSpec& spec) {
  const v1::ModelSpec& model = spec.model();
  if (model.hidden() % model.heads() == 0) return "";
  const uint32_t below = model.hidden() / model.heads() * model.heads();
  const std::string nearest =
      below > 0 ? absl::StrCat(below, " or ", below + model.heads()) : absl::StrCat(model.heads());
  return absl::StrCat(model.hidden(), " is not divisible by model.heads ", model.heads(),
                      "; expected for example ", nearest);
}

std::string KvHeadsDivideHeads(const v1::JobSpec& spec) {
  const v1::ModelSpec& model = spec.model();
  if (model.heads() % model.kv_heads() == 0) return "";
  return absl::StrCat(model.kv_heads(), " does not divide model.heads ", model.heads(),
                      "; expected for example 1 or ", model.heads());
}

std::string OnlyLlamaSharesKeys(const v1::JobSpec& spec) {
  const v1::ModelSpec& model = spec.model();
  if (IsLlama(model) || model.kv_heads() == model.heads()) return "";
  return absl::StrCat(model.kv_heads(), " with model.family gpt2, whose attention has as many as ",
                      "model.heads; expected ", model.heads(), ", or model.family llama");
}

std::string RotatedHeadsHaveHalves(const v1::JobSpec& spec) {
  const v1::ModelSpec& model = spec.model();
  const uint32_t width = model.hidden() / model.heads();
  if (!IsLlama(model) || model.hidden() % model.heads() != 0 || width % 2 == 0) return "";
  return absl::StrCat(model.heads(), " makes heads of width ", width,
                      ", and rotary positions turn pairs; expected an even model.hidden / "
                      "model.heads with model.family llama");
}

std::string FrequenciesAreInOrder(const v1::JobSpec& spec) {
  const v1::ModelSpec& model = spec.model();
  if (!ScalesRope(model) || model.rope_low_frequency() < model.rope_high_frequency()) return "";
  return absl::StrCat(model.rope_low_frequency(), " is not below model.rope_high_frequency ",
                      model.rope_high_frequency(), "; expected less");
}

std::string ModelIsOfBearableSize(const v1::JobSpec& spec) {
  const double parameters = Parameters(spec.model());
  if (parameters <= kMaxParameters) return "";
  return absl::StrCat("about ", parameters, " parameters in all; expected at most ",
                      kMaxParameters);
}

std::string TiedHeadGoesWithFrames(const v1::JobSpec& spec) {
  if (!spec.model().tied_head()) return "";
  const absl::StatusOr<Preset> preset = FindPreset(spec.pipeline().schedule());
  if (!preset.ok()) return "";
  const bool is_line_of_whole_backwards = !preset->order || *preset->order == Order::kDrainFirst ||
                                          *preset->order == Order::kStrict ||
                                          *preset->order == Order::kFillDrain;
  if (spec.has_emulation()) {
    return "true with an emulation, which has no matrix to share; expected false";
  }
  const double bytes = 4.0 * spec.model().vocabulary() * spec.model().hidden();
  if (bytes > kMaxFrameBytes) {
    return absl::StrCat("true makes frames of ", bytes,
                        " bytes of model.vocabulary x model.hidden; expected at most 16 GiB, or "
                        "false");
  }
  if (is_line_of_whole_backwards && preset->weights == WeightPolicy::kCurrent) return "";
  return absl::StrCat("true with schedule ", preset->name,
                      ", which splits backwards, goes round in a ring or keeps other weights than "
                      "the newest; expected gpipe, 1f1b, async or paci, or false");
}

}  // namespace

std::vector<JobRule> ModelRules() {
  return {
      {{"model.hidden", "model.heads"}, "`hidden` is divisible by `heads`.", HeadsDivideHidden},
      {{"model.kv_heads", "model.heads"},
       "`heads` is divisible by `kv_heads`.",
       KvHeadsDivideHeads},
      {{"model.kv_heads", "model.heads", "model.family"},
       "With `family: gpt2`, `kv_heads` is `heads`.",
       OnlyLlamaSharesKeys},
      {{"model.heads", "model.hidden", "model.family"},
       "With `family: llama`, `hidden` / `heads` is even.",
       RotatedHeadsHaveHalves},
      {{"model.rope_low_frequency", "model.rope_high_frequency", "model.rope_factor"},
       "With a `rope_factor` above 1, `rope_low_frequency` is below `rope_high_frequency`.",
       FrequenciesAreInOrder},
      {{"model.tied_head", "model.vocabulary", "model.hidden", "pipeline.schedule"},
       "`tied_head` needs `schedule: gpipe`, `1f1b`, `async` or `paci`, no `emulation`, and a "
       "matrix of at most 16 GiB in float32.",
       TiedHeadGoesWithFrames},
      {{"model.layers", "model.hidden", "model.vocabulary", "model.context", "model.ffn_hidden"},
       "The model has at most 10^12 parameters.",
       ModelIsOfBearableSize},
  };
}

}  // namespace paci
