#pragma once

// worker/data: token files to micro-batches. Knows nothing of tensors and no LibTorch. Guards: the
// first and the last stage of a job read the same sequences in the same order, whatever machine
// they are on, and each sequence is read once an epoch.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "paci/v1/job.pb.h"
#include "worker/data/token_mix.h"
#include "worker/data/token_set.h"

namespace paci {

// The micro-batches of a job. A batch is [micro_batch, context + 1] token ids, row-major: a row's
// first `context` tokens are its input, its last `context` its targets. For one consumer thread;
// the thread "paci-data" reads the next training micro-batch ahead.
class BatchSource {
 public:
  // Opens the training files and, if the job validates, those of validation. For a job with real
  // compute.
  static absl::StatusOr<std::unique_ptr<BatchSource>> Open(const v1::JobSpec& spec);
  ~BatchSource();

  // What there is to read; nullopt: the job has no validation.
  v1::TokenData training_data() const;
  std::optional<v1::TokenData> validation_data() const;

  // Micro-batch `micro_batch` of the run, from 0; valid until the next call of Training. Any may be
  // asked for; the one after the last is ready first.
  absl::StatusOr<absl::Span<const int64_t>> Training(int64_t micro_batch);
  // Validation micro-batch `index`, counted over the whole run: each validation reads the same
  // `eval_batches`, from the start of its files, again from there if it is short. Valid until the
  // next call of Validation. FAILED_PRECONDITION: the job has no validation.
  absl::StatusOr<absl::Span<const int64_t>> Validation(int64_t index);

 private:
  BatchSource(const v1::JobSpec& spec, std::unique_ptr<TokenMix> training,
              std::unique_ptr<TokenSet> validation);

  absl::Status ReadTraining(int64_t micro_batch, absl::Span<int64_t> batch) const;
  // The thread "paci-data": reads what is wanted into `ahead_` until the source is destroyed.
  void ReadAhead();

  const std::unique_ptr<TokenMix> training_tokens_;
  const std::unique_ptr<TokenSet> validation_tokens_;  // null: no validation
  const int64_t rows_;                                 // sequences a micro-batch
  const int64_t columns_;                              // context + 1
  const int64_t eval_batches_;
  std::vector<int64_t> training_;    // what Training returned last
  std::vector<int64_t> validation_;  // what Validation returned last

  absl::Mutex mutex_;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;  // the micro-batch that `ahead_` is for
  bool is_ready_ ABSL_GUARDED_BY(mutex_) =
      false;  // `ahead_` holds `wanted_`, or `read_` says why not
  absl::Status read_ ABSL_GUARDED_BY(mutex_);
  std::vector<int64_t> ahead_;  // the thread's while not `is_ready_`, else the consumer's
  std::thread thread_;
};

}  // namespace paci
