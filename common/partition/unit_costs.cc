#include "common/partition/unit_costs.h"

#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/config/model_shape.h"

namespace paci {
namespace {

// A multiply and an add of the forward; the backward takes two products for every one of the
// forward.
constexpr double kFlopsPerProduct = 2.0 * 3.0;

std::vector<double> Units(const v1::JobSpec& spec, double embedding, double block, double head) {
  std::vector<double> units(spec.model().layers() + 2, block);
  units.front() = embedding;
  units.back() = head;
  return units;
}

absl::Status CheckMeasured(size_t stage, const char* sort, double seconds) {
  if (std::isfinite(seconds) && seconds > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the worker of stage ", stage, " measured ",
                                                 seconds, " seconds for ", sort,
                                                 "; expected a time above 0"));
}

absl::Status CheckMeasured(size_t stage, const v1::LayerCosts& costs) {
  absl::Status status = CheckMeasured(stage, "the embedding", costs.embedding_seconds());
  status.Update(CheckMeasured(stage, "a block", costs.block_seconds()));
  status.Update(CheckMeasured(stage, "the head", costs.head_seconds()));
  return status;
}

}  // namespace

UnitCosts FlopsCosts(const v1::JobSpec& spec) {
  const double hidden = spec.model().hidden();
  const double context = spec.model().context();
  const double tokens = spec.pipeline().micro_batch() * context;
  // Tables are looked up and added: a product's share for each element.
  const double embedding = tokens * hidden * kFlopsPerProduct;
  // The matrices; scores and their use of every token with every other.
  const double block = tokens * kFlopsPerProduct *
                       (static_cast<double>(BlockMatrices(spec.model())) + 2 * context * hidden);
  const double head = tokens * kFlopsPerProduct * hidden * spec.model().vocabulary();
  return {Units(spec, embedding, block, head), std::vector<double>(spec.pipeline().stages(), 1.0)};
}

absl::StatusOr<UnitCosts> MeasuredCosts(const v1::JobSpec& spec,
                                        absl::Span<const v1::LayerCosts> costs_by_stage) {
  const size_t stages = spec.pipeline().stages();
  if (costs_by_stage.size() != stages || stages == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        costs_by_stage.size(), " measurements; expected one for each of ", stages, " stages"));
  }
  double embedding = 0;
  double block = 0;
  double head = 0;
  std::vector<double> model_seconds;
  for (size_t i = 0; i < stages; ++i) {
    const v1::LayerCosts& costs = costs_by_stage[i];
    const absl::Status status = CheckMeasured(i, costs);
    if (!status.ok()) return status;
    embedding += costs.embedding_seconds() / stages;
    block += costs.block_seconds() / stages;
    head += costs.head_seconds() / stages;
    model_seconds.push_back(costs.embedding_seconds() +
                            spec.model().layers() * costs.block_seconds() + costs.head_seconds());
  }
  const double mean_seconds = embedding + spec.model().layers() * block + head;
  UnitCosts result{Units(spec, embedding, block, head), {}};
  for (const double seconds : model_seconds) result.stage_speeds.push_back(mean_seconds / seconds);
  return result;
}

}  // namespace paci
