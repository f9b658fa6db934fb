#include "tests/unit/coordinator/script_command.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paci {
namespace {

std::string Short(const v1::StageKey& key) {
  return absl::StrCat(key.job_id(), "/", key.generation(), "/", key.stage());
}

std::string Describe(const v1::PrepareStage& prepare) {
  std::vector<std::string> units;
  for (const v1::StageAssignment& a : prepare.assignments()) {
    for (const v1::UnitRange& c : a.chunks()) {
      units.push_back(absl::StrCat("[", c.first_unit(), ",", c.end_unit(), ")"));
    }
  }
  std::string text = absl::StrCat(Short(prepare.key()), " of ", absl::StrJoin(units, " "));
  if (prepare.has_resume_from()) {
    absl::StrAppend(&text, " from ", prepare.resume_from().directory());
  }
  const v1::PipelineSpec& pipeline = prepare.spec().pipeline();
  if (pipeline.drift_limit() > 0) {
    absl::StrAppend(&text, " in ", pipeline.accumulation(), " x ", pipeline.micro_batch());
  }
  if (prepare.inherits_generation() == 0) return text;
  std::vector<std::string> sources;
  for (const v1::StageAssignment& a : prepare.assignments()) {
    sources.push_back(a.state() == v1::STATE_SOURCE_OWN         ? "own"
                      : a.state() == v1::STATE_SOURCE_NEIGHBOUR ? "neighbour"
                                                                : "checkpoint");
  }
  absl::StrAppend(&text, " at update ", prepare.first_update(), " from generation ",
                  prepare.inherits_generation(), ": ", absl::StrJoin(sources, " "));
  return text;
}

std::string Describe(const v1::HoldStage& hold) {
  return absl::StrCat(Short(hold.key()),
                      hold.hold() ? absl::StrCat(" hold at ", hold.at_update()) : " go on");
}

}  // namespace

std::string DescribeForScript(const v1::Command& command) {
  switch (command.command_case()) {
    case v1::Command::kMeasureLayers:
      return absl::StrCat(" ", Short(command.measure_layers().key()));
    case v1::Command::kPrepareStage:
      return absl::StrCat(" ", Describe(command.prepare_stage()));
    case v1::Command::kStartStage:
      return absl::StrCat(" ", Short(command.start_stage().key()));
    case v1::Command::kHoldStage:
      return absl::StrCat(" ", Describe(command.hold_stage()));
    case v1::Command::kStopStage:
      return absl::StrCat(" ", Short(command.stop_stage().key()), ": ",
                          command.stop_stage().reason());
    case v1::Command::kReleaseStage:
      return absl::StrCat(" ", Short(command.release_stage().key()), ": ",
                          command.release_stage().reason());
    case v1::Command::kCommitCheckpoint:
      return absl::StrCat(" ", Short(command.commit_checkpoint().key()), " of update ",
                          command.commit_checkpoint().update(), ", ",
                          command.commit_checkpoint().files_size(), " files",
                          command.commit_checkpoint().has_best()
                              ? absl::StrCat(", and keep that of update ",
                                             command.commit_checkpoint().best().update())
                              : "");
    case v1::Command::kGenerateText:
      return absl::StrCat(" from ", command.generate_text().checkpoint());
    case v1::Command::kTraceStage:
      return absl::StrCat(" ", Short(command.trace_stage().key()), " of ",
                          command.trace_stage().updates(), " updates");
    case v1::Command::kLeave:
      return absl::StrCat(": ", command.leave().reason());
    default:
      return "";
  }
}

}  // namespace paci
