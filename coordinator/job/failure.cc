#include "coordinator/job/failure.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paci {
namespace {

// Stages that a sentence names; the others are counted.
constexpr size_t kMaxNamed = 4;

std::string Describe(const FailureCause& cause) {
  const absl::string_view verb = cause.kind == FailureKind::kWorkerLost ? "was lost"
                                 : cause.kind == FailureKind::kStalled  ? "stands still"
                                                                        : "failed";
  return absl::StrCat("stage ", cause.stage, " on worker ", cause.worker, " ", verb, ": ",
                      cause.what);
}

}  // namespace

FailureKind ClassifyError(absl::string_view error) {
  for (absl::string_view code : {"UNAVAILABLE:", "CANCELLED:", "ABORTED:", "DEADLINE_EXCEEDED:"}) {
    if (absl::StartsWith(error, code)) return FailureKind::kConsequence;
  }
  return FailureKind::kOwnError;
}

void AddCause(FailureCause cause, std::vector<FailureCause>& causes) {
  const auto known = std::find_if(causes.begin(), causes.end(), [&](const FailureCause& other) {
    return other.stage == cause.stage;
  });
  if (known == causes.end()) {
    causes.push_back(std::move(cause));
  } else if (cause.kind < known->kind) {
    *known = std::move(cause);
  }
}

bool IsConclusive(const std::vector<FailureCause>& causes) {
  return std::any_of(causes.begin(), causes.end(), [](const FailureCause& cause) {
    return cause.kind != FailureKind::kConsequence;
  });
}

std::string DescribeFailure(const std::vector<FailureCause>& causes) {
  const auto most_telling = std::min_element(
      causes.begin(), causes.end(),
      [](const FailureCause& a, const FailureCause& b) { return a.kind < b.kind; });
  std::vector<std::string> roots;
  for (const FailureCause& cause : causes) {
    // Workers are lost together, with their machine; of errors, the first is the cause.
    const bool is_root = most_telling->kind == FailureKind::kWorkerLost
                             ? cause.kind == FailureKind::kWorkerLost
                             : &cause == &*most_telling;
    if (is_root && roots.size() < kMaxNamed) roots.push_back(Describe(cause));
  }
  const size_t others = causes.size() - roots.size();
  return absl::StrCat(absl::StrJoin(roots, "; "),
                      others == 0   ? ""
                      : others == 1 ? "; 1 other stage ended with it"
                                    : absl::StrCat("; ", others, " other stages ended with it"));
}

}  // namespace paci
