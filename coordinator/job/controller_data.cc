// Whether both ends of a pipeline read the same tokens: the first stage's are the inputs, the last
// one's the targets.
#include "absl/strings/str_cat.h"
#include "coordinator/job/controller.h"

namespace paci {
namespace {

std::string Describe(const v1::TokenData& data) {
  return absl::StrCat(data.tokens(), " tokens in ", data.files(),
                      data.files() == 1 ? " file" : " files");
}

bool IsSame(const v1::TokenData& a, const v1::TokenData& b) {
  return a.files() == b.files() && a.tokens() == b.tokens() && a.checksum() == b.checksum();
}

// "data.train: 5 tokens in 1 file, where stage 0 on worker a reads 7 tokens in 2 files"
std::string Difference(const char* key, const v1::TokenData& last, const v1::TokenData& first,
                       const std::string& first_worker) {
  const bool are_counts_equal = Describe(last) == Describe(first);
  return absl::StrCat(key, ": ", Describe(last), ", where stage 0 on worker ", first_worker,
                      " reads ", are_counts_equal ? "others" : Describe(first));
}

}  // namespace

void Controller::CompareData(JobRecord& record, absl::Time now) {
  const v1::StageStatus& first = record.stages.front().status;
  const v1::StageStatus& last = record.stages.back().status;
  if (!first.has_training_data() || !last.has_training_data()) return;
  std::string difference;
  if (!IsSame(first.training_data(), last.training_data())) {
    difference =
        Difference("data.train", last.training_data(), first.training_data(), first.worker_name());
  } else if (!IsSame(first.validation_data(), last.validation_data())) {
    difference = Difference("data.validation", last.validation_data(), first.validation_data(),
                            first.worker_name());
  } else {
    return;
  }
  const auto index = static_cast<uint32_t>(record.stages.size() - 1);
  FailStage(record, index, FailureKind::kOwnError,
            absl::StrCat("FAILED_PRECONDITION: it reads other tokens than the first stage, of ",
                         difference, "; expected the same files on every worker"),
            now);
}

}  // namespace paci
