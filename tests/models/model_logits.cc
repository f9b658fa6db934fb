// usage: model_logits CHECKPOINT TOKENS OUT
// Writes the logits that the model of a checkpoint has for a sequence, float32 [length,
// vocabulary]. TOKENS holds its token ids as 64-bit integers.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "common/checkpoint/checkpoint.h"
#include "worker/compute/stage_model.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto manifest = paci::ReadManifest(argv[1]);
  if (!manifest.ok()) {
    std::cerr << manifest.status() << "\n";
    return 1;
  }
  std::ifstream in(argv[2], std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const auto length = static_cast<int64_t>(bytes.size() / sizeof(int64_t));
  const at::Tensor ids = at::from_blob(bytes.data(), {1, length}, at::kLong);
  const at::NoGradGuard no_grad;
  paci::StageModel model(manifest->spec, 0, paci::UnitCount(manifest->spec.model()));
  if (const absl::Status loaded = model.Load(argv[1]); !loaded.ok()) {
    std::cerr << loaded << "\n";
    return 1;
  }
  const at::Tensor logits = model.Forward(ids, std::nullopt).contiguous();
  std::ofstream(argv[3], std::ios::binary)
      .write(static_cast<const char*>(logits.data_ptr()), static_cast<int64_t>(logits.nbytes()));
  return 0;
}
