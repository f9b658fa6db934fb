#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "paci/v1/job.pb.h"
#include "worker/data/batch_source.h"
#include "worker/stage/compute.h"

namespace paci {

// The token ids of micro-batches, [micro_batch, context + 1], on the stage's device. To a GPU they
// are copied from pinned memory, which nothing waits for. Single-threaded.
class TokenBatches {
 public:
  TokenBatches(const v1::JobSpec& spec, std::unique_ptr<BatchSource> source, at::Device device);

  // What there is; nothing without a source.
  StageCompute::Data data() const;
  absl::StatusOr<at::Tensor> Training(int64_t micro_batch);
  absl::StatusOr<at::Tensor> Validation(int64_t micro_batch);

 private:
  at::Tensor OnDevice(absl::Span<const int64_t> ids) const;

  const int64_t rows_;
  const int64_t columns_;
  const std::unique_ptr<BatchSource> source_;
  const at::Device device_;
};

}  // namespace paci
