#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/state_copy.h"
#include "common/schedule/action.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// What one action took on a device that works beside its host.
struct ActionTime {
  double begin_seconds = 0;  // since the first action began
  double idle_seconds = 0;   // before it, with nothing to do
  double seconds = 0;
};

// What the stage loop asks of the arithmetic of its stage: LibTorch layers, or the emulation of
// them. Called only on the stage's thread, but for WriteSnapshot; the spans it hands out are also
// touched by the transport, between the calls that the comments name. Nothing throws: LibTorch's
// exceptions end here, as a Status that names stage and micro-batch.
//
// Two sets of buffers, addressed by index, allocated once:
//   slots   0..slot_count-1  the activation a micro-batch enters the stage with, and the gradient
//   with respect to it returns 0..return_count-1  the gradient with respect to the stage's output,
//   as it arrives from downstream
class StageCompute {
 public:
  virtual ~StageCompute() = default;

  // Allocates `slots` slots and `returns` return buffers. Before anything else, once.
  virtual absl::Status Prepare(int slots, int returns) = 0;

  // Weights of this stage.
  virtual uint64_t parameter_count() const = 0;
  // Bytes of one activation, [micro_batch, context, hidden], and so of its gradient; what travels
  // behind them is not counted.
  virtual size_t activation_bytes() const = 0;
  // Where the transport puts the activation. Not at the first stage, unless it has several chunks.
  virtual absl::Span<std::byte> Input(int slot) = 0;
  // Where the transport puts the gradient of the output. Not at the last stage, with the same
  // exception.
  virtual absl::Span<std::byte> OutputGradient(int return_index) = 0;

  // Runs a training micro-batch, `action.index`, through chunk `action.chunk` from `slot`. Returns
  // the output, valid until its Backward returns; at the end of the model, empty: the loss is kept.
  // The beginning of the model reads its own tokens.
  virtual absl::StatusOr<absl::Span<const std::byte>> Forward(Action action, int slot) = 0;

  // The backward of what Forward left in `slot`: accumulates its gradients with the weights that
  // the schedule's policy says. Reads return buffer `return_index`, except at the end of the model.
  // Returns the gradient with respect to the slot's input, valid until the next Forward or Evaluate
  // into the slot; at the beginning of the model, empty. Where the schedule splits backwards this
  // is the input half, and BackwardWeights follows before the slot is used again.
  virtual absl::StatusOr<absl::Span<const std::byte>> Backward(Action action, int slot,
                                                               int return_index) = 0;

  // The weight half: accumulates the gradients of the micro-batch whose input half left `slot`.
  virtual absl::Status BackwardWeights(int64_t micro_batch, int slot) = 0;

  struct StepResult {
    double learning_rate = 0;
    double gradient_norm = 0;  // of this stage's parameters, before clipping
    // With CLIP_SCOPE_PIPELINE: of the whole model, as it is known here; and the age of the oldest
    // part of it, in updates.
    double pipeline_norm = 0;
    int64_t pipeline_norm_age = 0;
    bool is_skipped = false;     // a gradient was not finite: weights are as before
    std::string poison;          // where a number that was not finite came from; empty: all were
    std::optional<double> loss;  // last stage: mean over the update's micro-batches, nats a token
  };
  // Applies the accumulated gradients as update `update` (from 0) and zeroes them.
  virtual absl::StatusOr<StepResult> Step(int64_t update) = 0;

  // Runs a validation micro-batch through a chunk, keeping nothing for a backward. Returns the
  // output, valid until the next Evaluate or Forward into the same slot; at the end of the model,
  // empty.
  virtual absl::StatusOr<absl::Span<const std::byte>> Evaluate(Action action, int slot) = 0;
  // Last stage: mean loss of the Evaluate calls since the last time this was called, in nats a
  // token.
  virtual double TakeEvaluationLoss() = 0;

  // Copies this stage's layers as they are after `update` updates, with all that a checkpoint keeps
  // of them, into a buffer that stays for the next. Not during WriteSnapshot.
  virtual absl::Status Snapshot(int64_t update) = 0;
  // Writes the last Snapshot, durably; the manifest is not its business. First removes what earlier
  // calls wrote for checkpoints up to `settled_update` that have none: they were given up. The one
  // call that comes on another thread ("paci-checkpoint"), beside all the others but Snapshot.
  virtual absl::StatusOr<v1::CheckpointPart> WriteSnapshot(uint64_t settled_update) = 0;

  // Copies the same into `copy`. Not during a pass or a step.
  virtual absl::Status CopyState(int64_t update, StateCopy& copy) = 0;

  // A tied head: what comes before the frame of `action`'s input and goes before that of its
  // output, the embedding's matrix downstream with some activations and the gradient of the head's
  // copy upstream with some gradients (worker/compute/tied_head.h); empty: nothing. The buffers are
  // valid as long as the frame that they go with.
  virtual absl::StatusOr<absl::Span<std::byte>> TiedInput(Action /*action*/, int /*slot*/) {
    return absl::Span<std::byte>();
  }
  virtual absl::StatusOr<absl::Span<const std::byte>> TiedOutput(Action /*action*/, int /*slot*/) {
    return absl::Span<const std::byte>();
  }
  virtual absl::StatusOr<absl::Span<std::byte>> TiedOutputGradient(Action /*action*/,
                                                                   int /*return_index*/) {
    return absl::Span<std::byte>();
  }
  virtual absl::StatusOr<absl::Span<const std::byte>> TiedGradient(Action /*action*/,
                                                                   int /*slot*/) {
    return absl::Span<const std::byte>();
  }

  // Whether calls return while the device still works. Then they are made between BeginAction and
  // EndAction, and what the actions took is known later: TakeTimes says it of those that are over,
  // each once, in order; with `all` it waits for the rest.
  virtual bool RunsAhead() const { return false; }
  virtual void BeginAction() {}
  virtual void EndAction() {}
  virtual std::vector<ActionTime> TakeTimes(bool /*all*/) { return {}; }

  // The most memory that the stage has had on a device of its own; 0: it has none.
  virtual uint64_t peak_device_bytes() const { return 0; }

  // The tokens that the stage reads, the first and the last one; absent: none.
  struct Data {
    std::optional<v1::TokenData> training;
    std::optional<v1::TokenData> validation;
  };
  virtual Data data() const { return {}; }

  // Bytes that the weight policy holds beside the weights.
  virtual uint64_t policy_bytes() const { return 0; }

  // A fixed sample of this stage's weights, for the drift metric; empty if there are none. Valid
  // until the next Step.
  virtual absl::Span<const float> WeightSample() = 0;
};

}  // namespace paci
