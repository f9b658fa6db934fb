#include "common/schedule/presets.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paci {

const std::vector<Preset>& Presets() {
  constexpr auto kFlush = UpdateBoundary::kFlush;
  constexpr auto kLocal = UpdateBoundary::kLocalAccumulation;
  using Weights = WeightPolicy;
  static const auto* const presets = new std::vector<Preset>{
      {"paci",
       {},
       kLocal,
       Weights::kCurrent,
       false,
       "arXiv 2606.07881",
       "bubble-free: each stage updates after its own a-th backward"},
      {"1f1b",
       {},
       kFlush,
       Weights::kCurrent,
       false,
       "PipeDream-Flush, ICML 2021",
       "one forward, one backward; the pipeline is flushed before every update"},
      {"gpipe", Order::kFillDrain, kFlush, Weights::kCurrent, false, "GPipe, NeurIPS 2019",
       "all forwards of an update, then all backwards; then a flush"},
      {"interleaved", Order::kInterleaved, kFlush, Weights::kCurrent, false, "Megatron-LM, SC 2021",
       "1f1b over several model chunks a worker: the bubble of one divided by their number"},
      {"zb-h1", Order::kSplit1, kFlush, Weights::kCurrent, false, "Zero Bubble, ICLR 2024",
       "backwards in two halves, the weight half where nothing else can run; memory of 1F1B"},
      {"zb-2p", Order::kSplit2, kFlush, Weights::kCurrent, false, "Zero Bubble, ICLR 2024",
       "as zb-h1 with twice its activations in flight"},
      {"async",
       {},
       kLocal,
       Weights::kCurrent,
       true,
       "naive asynchronous 1F1B",
       "an update after every backward, whatever the lag"},
      {"pipedream",
       {},
       kLocal,
       Weights::kStash,
       false,
       "PipeDream, SOSP 2019",
       "a backward uses the weights of its forward, which are kept: up to N - i copies"},
      {"pipedream-2bw",
       {},
       kLocal,
       Weights::kDoubleBuffer,
       false,
       "PipeDream-2BW, ICML 2021",
       "forward and backward use the weights of one update back: two copies"},
      {"pipemare",
       {},
       kLocal,
       Weights::kCorrect,
       false,
       "PipeMare, MLSys 2021",
       "a backward estimates the weights of its forward; early on late stages learn faster"},
      {"pipeoptim",
       {},
       kLocal,
       Weights::kPredict,
       false,
       "PipeOptim, arXiv 2312.00839",
       "a forward predicts the weights of its backward"},
      {"spectrain",
       {},
       kLocal,
       Weights::kPredictBoth,
       false,
       "SpecTrain, arXiv 1809.02839",
       "forward and backward predict the weights of when the micro-batch leaves the pipeline"},
      {"nesterov",
       {},
       kLocal,
       Weights::kNesterov,
       false,
       "AsyncPP, ICML 2025",
       "current weights, and an optimizer that looks ahead along its momentum"},
  };
  return *presets;
}

absl::StatusOr<Preset> FindPreset(absl::string_view name) {
  for (const Preset& preset : Presets()) {
    if (preset.name == name) return preset;
  }
  const auto append_name = [](std::string* out, const Preset& p) { absl::StrAppend(out, p.name); };
  return absl::NotFoundError(absl::StrCat("no schedule is called \"", name, "\"; there are: ",
                                          absl::StrJoin(Presets(), ", ", append_name)));
}

void ApplyPreset(const Preset& preset, ScheduleConfig& config) {
  if (preset.order) config.order = *preset.order;
  config.boundary = preset.boundary;
  config.weights = preset.weights;
}

}  // namespace paci
