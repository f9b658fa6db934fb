#include "cli/format/diagnosis_text.h"

#include "absl/strings/str_cat.h"
#include "cli/format/escape.h"
#include "cli/format/text_table.h"
#include "cli/format/units.h"

namespace paci::cli {

std::string DiagnosisText(const v1::Diagnosis& diagnosis) {
  constexpr auto kLeft = TextTable::Align::kLeft;
  constexpr auto kRight = TextTable::Align::kRight;
  std::string text = EscapeLine(diagnosis.summary()) + "\n";
  if (diagnosis.stages().empty()) return text;
  TextTable table({{"STAGE", kRight},
                   {"WORKER", kLeft},
                   {"REPORTED", kRight},
                   {"CAUSE", kLeft},
                   {"WHAT IT DOES", kLeft}});
  for (const v1::StageDiagnosis& stage : diagnosis.stages()) {
    const bool is_cause = diagnosis.has_cause() && diagnosis.cause() == stage.stage();
    table.Add({absl::StrCat(stage.stage()), stage.worker_name(),
               DurationText(absl::Seconds(stage.report_age_seconds())) + " ago",
               is_cause ? "yes" : "-", stage.what()});
  }
  return absl::StrCat(text, "\n", table.Render());
}

}  // namespace paci::cli
