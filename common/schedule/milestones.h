#pragma once

#include <cstdint>

namespace paci {

// The updates after which there is a validation or a checkpoint: of the same update at every stage,
// for which the pipeline drains unless it is said otherwise. A value; the same on every stage.
// Update 0 is "before the first".
struct Milestones {
  int64_t updates = 1;  // of the whole run
  int64_t eval_every =
      0;  // 0: no validation; else before the first, every so many, and after the last update
  int64_t eval_batches = 0;      // micro-batches a validation
  int64_t checkpoint_every = 0;  // 0: only the last, if `checkpoint_last`
  bool checkpoint_last = false;
  // Whether no micro-batch of a later update is begun before a checkpoint. Else each stage's comes
  // right after its step, whoever is in flight; of a flush schedule it is the same.
  bool checkpoints_drain = true;

  // Validation micro-batches due, over the whole run, once `update` updates are done.
  int64_t EvaluationsDue(int64_t update) const;
  // Checkpoints due once `update` updates are done. There is none of update 0.
  int64_t CheckpointsDue(int64_t update) const;
  // The update whose weights validation micro-batch `index` sees.
  int64_t UpdateOfEvaluation(int64_t index) const;

 private:
  // Multiples of `every` in [1, update], and the last update if it is none.
  int64_t Count(int64_t every, int64_t update) const;
};

}  // namespace paci
