#include "common/checkpoint/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/durable_file.h"

namespace paci {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

constexpr uint64_t kLengthBytes = 8;               // of the header, little-endian, before it
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

// Wide elements first, so that each tensor is aligned to its elements.
std::vector<const TensorView*> InFileOrder(absl::Span<const TensorView> tensors) {
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    return DtypeBytes(a->dtype) > DtypeBytes(b->dtype);
  });
  return order;
}

absl::StatusOr<std::string> MakeHeader(absl::Span<const TensorView* const> tensors,
                                       const SafetensorsMetadata& metadata) {
  SafetensorsHeader header;
  header.metadata = metadata;
  std::set<absl::string_view> names = {"__metadata__"};
  uint64_t end = 0;
  for (const TensorView* tensor : tensors) {
    if (!names.insert(tensor->name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("a second tensor is called \"", tensor->name, "\""));
    }
    if (TensorBytes(tensor->dtype, tensor->shape) != tensor->bytes.size()) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor->name, "\" has ",
                                                     tensor->bytes.size(),
                                                     " bytes, which is not its shape"));
    }
    const uint64_t begin = end;
    end += tensor->bytes.size();
    header.tensors.push_back({tensor->name, tensor->dtype, tensor->shape, begin, end});
  }
  return FormatSafetensorsHeader(header);
}

struct ParsedFile {
  SafetensorsHeader header;
  absl::Span<const std::byte> data;
};

absl::StatusOr<ParsedFile> ParseFile(absl::Span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", bytes.size(), " bytes; expected at least ", kLengthBytes));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("its header has ", length, " bytes; at most ", kMaxHeaderBytes, " may be"));
  }
  if (length > bytes.size() - kLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "its header has ", length, " bytes, more than the file, which has ", bytes.size()));
  }
  const auto text = bytes.subspan(kLengthBytes, length);
  const auto data = bytes.subspan(kLengthBytes + length);
  absl::StatusOr<SafetensorsHeader> header = ParseSafetensorsHeader(
      {reinterpret_cast<const char*>(text.data()), text.size()}, data.size());
  if (!header.ok()) return header.status();
  return ParsedFile{*std::move(header), data};
}

}  // namespace

absl::StatusOr<v1::CheckpointFile> WriteSafetensors(const std::string& directory,
                                                    const std::string& name,
                                                    absl::Span<const TensorView> tensors,
                                                    const SafetensorsMetadata& metadata) {
  const std::vector<const TensorView*> order = InFileOrder(tensors);
  const absl::StatusOr<std::string> header = MakeHeader(order, metadata);
  if (!header.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot write ", directory, "/", name, ": ", header.status().message()));
  }
  auto file = DurableFile::Create(directory, name);
  if (!file.ok()) return file.status();
  const uint64_t length = header->size();
  absl::Status written = (*file)->Append(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&length), kLengthBytes));
  if (written.ok()) written = (*file)->Append(*header);
  for (const TensorView* tensor : order) {
    if (written.ok()) written = (*file)->Append(tensor->bytes);
  }
  if (!written.ok()) return written;
  return (*file)->Commit();
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  auto mapped = MappedFile::Open(path);
  if (!mapped.ok()) return mapped.status();
  absl::StatusOr<ParsedFile> parsed = ParseFile((*mapped)->bytes());
  if (!parsed.ok()) {
    return absl::DataLossError(
        absl::StrCat(path, " is no valid safetensors file: ", parsed.status().message()));
  }
  SafetensorsFile file;
  file.file_ = *std::move(mapped);
  file.metadata_ = std::move(parsed->header.metadata);
  for (TensorInfo& info : parsed->header.tensors) {
    const auto bytes = parsed->data.subspan(info.begin, info.end - info.begin);
    file.tensors_.push_back({std::move(info.name), info.dtype, std::move(info.shape), bytes});
  }
  return file;
}

absl::StatusOr<TensorView> SafetensorsFile::Find(absl::string_view name) const {
  for (const TensorView& tensor : tensors_) {
    if (tensor.name == name) return tensor;
  }
  return absl::NotFoundError(absl::StrCat(path(), " has no tensor \"", name, "\""));
}

}  // namespace paci
