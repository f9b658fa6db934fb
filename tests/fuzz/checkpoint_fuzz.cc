// A checkpoint's files, or a neighbour's copy of a stage, that somebody else wrote: the first byte
// says which. What is accepted points into its own bytes, and names no file outside its folder.
#include <cstdlib>

#include "absl/strings/match.h"
#include "common/checkpoint/manifest.h"
#include "common/checkpoint/safetensors_header.h"
#include "common/checkpoint/state_copy.h"
#include "tests/fuzz/fuzz.h"

namespace paci {
namespace {

constexpr uint64_t kDataBytes = 48;

void TryHeader(absl::string_view json) {
  const auto header = ParseSafetensorsHeader(json, kDataBytes);
  if (!header.ok()) return;
  uint64_t at = 0;
  for (const TensorInfo& tensor : header->tensors) {
    if (tensor.begin != at || tensor.end < tensor.begin) std::abort();
    at = tensor.end;
    if (TensorBytes(tensor.dtype, tensor.shape) != tensor.end - tensor.begin) std::abort();
  }
  if (at != kDataBytes) std::abort();
}

void TryCopy(absl::string_view header) {
  const auto copy = StateCopy::FromHeader(header, std::vector<std::byte>(kDataBytes));
  if (!copy.ok()) return;
  size_t bytes = 0;
  for (const UnitTensors& unit : copy->units()) {
    for (const auto* tensors : {&unit.weights, &unit.optimizer}) {
      for (const TensorView& tensor : *tensors) bytes += tensor.bytes.size();
    }
  }
  if (bytes != kDataBytes) std::abort();
}

void TryManifest(absl::string_view json) {
  const auto manifest = ParseManifest(json, "manifest.json");
  if (!manifest.ok()) return;
  for (const v1::CheckpointFile& file : manifest->files) {
    if (!ParseUnitFileName(file.path()) || absl::StrContains(file.path(), "/")) std::abort();
  }
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  SafetensorsHeader header;
  header.metadata["update"] = "7";
  header.tensors = {{"1/weights/a", Dtype::kF32, {2, 3}, 0, 24},
                    {"1/optimizer/a.m", Dtype::kF32, {6}, 24, 48}};
  Manifest manifest;
  manifest.job_id = "kjv-1";
  manifest.generation = 2;
  manifest.update = 40;
  manifest.spec.set_name("kjv");
  manifest.spec.mutable_model()->set_layers(1);
  for (uint32_t unit = 0; unit < 3; ++unit) {
    v1::CheckpointFile file;
    file.set_path(UnitFileName({unit, UnitFileKind::kWeights}));
    file.set_size_bytes(100);
    file.set_checksum("xxh3:0123456789abcdef");
    manifest.files.push_back(file);
  }
  const std::string of_header = *FormatSafetensorsHeader(header);
  return {"h" + of_header, "c" + of_header, "m" + *FormatManifest(manifest)};
}

}  // namespace paci

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'h') paci::TryHeader(rest);
  if (data[0] == 'c') paci::TryCopy(rest);
  if (data[0] == 'm') paci::TryManifest(rest);
  return 0;
}
