// Traces of whole pipelines as text: testdata/*.txt hold one pipeline each, its first line, and
// what every stage does. A forward takes 1, a backward 2 or two halves of 1, everything else and
// every link nothing.
// PACI_REGENERATE=1 rewrites the traces.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/schedule/presets.h"
#include "tests/support/simulated_pipeline.h"

namespace paci {
namespace {

namespace fs = std::filesystem;
constexpr char kFolder[] = "tests/unit/schedule/testdata";

// "paci drain_first stages 4 accumulation 4 updates 2 eval_every 1 eval_batches 1 checkpoint_every
// 0"
ScheduleConfig ParseConfig(const std::string& line) {
  std::istringstream words(line);
  std::string preset, order, key;
  int64_t value;
  words >> preset >> order;
  ScheduleConfig config;
  config.order = order == "strict" ? Order::kStrict : Order::kDrainFirst;
  ApplyPreset(FindPreset(preset).value(), config);
  while (words >> key >> value) {
    if (key == "stages") config.stages = value;
    if (key == "chunks") config.chunks = value;
    if (key == "accumulation") config.accumulation = value;
    if (key == "flush_first") config.flush_first = value;
    if (key == "flush_last") config.flush_last = value;
    if (key == "updates") config.milestones.updates = value;
    if (key == "eval_every") config.milestones.eval_every = value;
    if (key == "eval_batches") config.milestones.eval_batches = value;
    if (key == "checkpoint_every") config.milestones.checkpoint_every = value;
  }
  return config;
}

std::string Trace(const std::string& first_line) {
  const ScheduleConfig config = ParseConfig(first_line);
  const StageCosts unit = {
      .forward_seconds = 1, .backward_input_seconds = 1, .backward_weight_seconds = 1};
  const Simulation run = SimulateOrFail(
      config, {.stages = std::vector<StageCosts>(config.stages * config.chunks, unit)});
  std::string text = absl::StrCat(first_line, "\n");
  for (size_t i = 0; i < run.stages.size(); ++i) {
    absl::StrAppend(&text, "stage ", i, ": ", ToString(ActionsOf(run.stages[i])), "\n");
  }
  absl::StrAppend(&text, "end: ", run.end_seconds, "\n");
  return text;
}

TEST(ScheduleScript, EveryTraceIsAsWritten) {
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    std::ifstream in(entry.path());
    std::stringstream expected;
    expected << in.rdbuf();
    const std::string text = expected.str();
    const std::string actual = Trace(text.substr(0, text.find('\n')));
    if (std::getenv("PACI_REGENERATE") != nullptr) std::ofstream(entry.path()) << actual;
    EXPECT_EQ(actual, std::getenv("PACI_REGENERATE") ? actual : text) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 5);
}

}  // namespace
}  // namespace paci
