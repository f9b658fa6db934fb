#include "common/schedule/milestones.h"

#include <algorithm>

namespace paci {

int64_t Milestones::Count(int64_t every, int64_t update) const {
  const int64_t multiples = every > 0 ? update / every : 0;
  const bool last_is_extra = update >= updates && (every <= 0 || updates % every != 0);
  return multiples + (last_is_extra ? 1 : 0);
}

int64_t Milestones::EvaluationsDue(int64_t update) const {
  if (eval_every <= 0) return 0;
  return (1 + Count(eval_every, update)) * eval_batches;
}

int64_t Milestones::CheckpointsDue(int64_t update) const {
  if (checkpoint_every <= 0 && !checkpoint_last) return 0;
  return Count(checkpoint_every, update);
}

int64_t Milestones::UpdateOfEvaluation(int64_t index) const {
  return std::min(index / eval_batches * eval_every, updates);
}

}  // namespace paci
