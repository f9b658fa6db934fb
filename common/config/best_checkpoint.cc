#include "common/config/best_checkpoint.h"

#include <cmath>

namespace paci {

const v1::Checkpoint* BestCheckpoint(const v1::Job& job) {
  const v1::Checkpoint* best = nullptr;
  for (const v1::Checkpoint& checkpoint : job.checkpoints()) {
    if (!checkpoint.has_validation_loss() || !std::isfinite(checkpoint.validation_loss())) continue;
    const bool is_better =
        best == nullptr || checkpoint.validation_loss() <= best->validation_loss();
    if (is_better) best = &checkpoint;
  }
  return best;
}

}  // namespace paci
