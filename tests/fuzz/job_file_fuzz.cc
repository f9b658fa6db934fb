// The text of a job file. What it accepts keeps every rule, and is the same when it is written and
// read again.
#include <google/protobuf/util/message_differencer.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "common/config/job_file.h"
#include "common/config/job_rules.h"
#include "tests/fuzz/fuzz.h"

namespace paci {

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds = {
      "name: a\nmodel: {layers: 2, hidden: 32, heads: 2, context: 32, vocabulary: 256}\n"
      "data: {train: t}\npipeline: {stages: 2, accumulation: 4, micro_batch: 2}\n"
      "optimizer: {lr: 3.0e-3}\ntrain: {updates: 40}\n"};
  for (const char* path :
       {"deploy/jobs/kjv.yaml", "bench/convergence.yaml", "bench/emulated.yaml"}) {
    std::ifstream in(path);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return seeds;
}

}  // namespace paci

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto spec = paci::ParseJobFile(text, "job.yaml", {});
  if (!spec.ok()) return 0;
  if (!paci::ValidateSpec(*spec).ok()) std::abort();
  const auto again = paci::ParseJobFile(paci::ToYaml(*spec), "again.yaml", {});
  using google::protobuf::util::MessageDifferencer;
  if (!again.ok() || !MessageDifferencer::Equals(*spec, *again)) std::abort();
  return 0;
}
