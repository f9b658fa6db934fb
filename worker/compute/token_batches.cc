#include "worker/compute/token_batches.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

namespace paci {

TokenBatches::TokenBatches(const v1::JobSpec& spec, std::unique_ptr<BatchSource> source,
                           at::Device device)
    : rows_(spec.pipeline().micro_batch()),
      columns_(int64_t{spec.model().context()} + 1),
      source_(std::move(source)),
      device_(device) {}

StageCompute::Data TokenBatches::data() const {
  if (source_ == nullptr) return {};
  return {source_->training_data(), source_->validation_data()};
}

absl::StatusOr<at::Tensor> TokenBatches::Training(int64_t micro_batch) {
  const absl::StatusOr<absl::Span<const int64_t>> ids = source_->Training(micro_batch);
  if (!ids.ok()) return ids.status();
  return OnDevice(*ids);
}

absl::StatusOr<at::Tensor> TokenBatches::Validation(int64_t micro_batch) {
  const absl::StatusOr<absl::Span<const int64_t>> ids = source_->Validation(micro_batch);
  if (!ids.ok()) return ids.status();
  return OnDevice(*ids);
}

at::Tensor TokenBatches::OnDevice(absl::Span<const int64_t> ids) const {
  const at::TensorOptions options =
      at::TensorOptions().dtype(at::kLong).pinned_memory(!device_.is_cpu());
  at::Tensor batch = at::empty({rows_, columns_}, options);
  std::copy(ids.begin(), ids.end(), batch.data_ptr<int64_t>());
  return device_.is_cpu() ? batch : batch.to(device_, /*non_blocking=*/true);
}

}  // namespace paci
