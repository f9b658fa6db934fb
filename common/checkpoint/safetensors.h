#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/checkpoint/mapped_file.h"
#include "common/checkpoint/safetensors_header.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// A tensor that lies elsewhere: row-major, little-endian.
struct TensorView {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;  // empty: a scalar
  absl::Span<const std::byte> bytes;
};

// Writes `directory`/`name` so that it is there as a whole or not at all, and durable when this
// returns. INVALID_ARGUMENT: two tensors of one name, or a shape that is not that of its bytes.
absl::StatusOr<v1::CheckpointFile> WriteSafetensors(const std::string& directory,
                                                    const std::string& name,
                                                    absl::Span<const TensorView> tensors,
                                                    const SafetensorsMetadata& metadata);

// A safetensors file, memory-mapped. Nothing in it is believed: every tensor was checked to lie
// inside the file before one is handed out. Thread-safe. The spans live as long as this.
class SafetensorsFile {
 public:
  // NOT_FOUND: there is no such file. DATA_LOSS: it breaks a rule of the format; says which, where.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  absl::Span<const TensorView> tensors() const { return tensors_; }  // in the order of their bytes
  const SafetensorsMetadata& metadata() const { return metadata_; }
  // NOT_FOUND names the file and the tensor.
  absl::StatusOr<TensorView> Find(absl::string_view name) const;

 private:
  SafetensorsFile() = default;

  std::unique_ptr<MappedFile> file_;
  std::vector<TensorView> tensors_;
  SafetensorsMetadata metadata_;
};

}  // namespace paci
