#include "tests/integration/job_files.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"

namespace paci {

std::string SomeText(size_t bytes) {
  constexpr const char* kWords[] = {"and ", "God ", "said ", "let ", "there ", "be ", "light. "};
  std::mt19937 random(1);
  std::string text;
  while (text.size() < bytes) text += kWords[random() % std::size(kWords)];
  text.resize(bytes);
  return text;
}

std::string WriteRealJob(const TestFolder& folder) {
  const std::string train = folder.Write("train.txt", SomeText(20000));
  const std::string validation = folder.Write("validation.txt", SomeText(2000));
  return folder.Write("real.yaml", absl::Substitute(R"(name: real
model: {layers: 2, hidden: 32, heads: 2, context: 32, vocabulary: 256}
data: {train: "$0", validation: "$1"}
pipeline: {stages: 2, accumulation: 4, micro_batch: 2, partition_by: flops}
optimizer: {lr: 3.0e-3, warmup_updates: 4}
train: {updates: 40, eval_every: 20, eval_batches: 2, threads: 1}
)",
                                                    train, validation));
}

std::string WriteEmulatedJob(const TestFolder& folder) {
  return folder.Write("emulated.yaml", R"(name: emulated
model: {layers: 2, hidden: 8, heads: 1, context: 8}
data: {train: ""}
pipeline: {stages: 2, accumulation: 4, micro_batch: 1}
train: {updates: 1000000}
emulation: {forward_seconds: 2ms, backward_seconds: 3ms}
)");
}

}  // namespace paci
