#include "cli/format/names.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace paci::cli {
namespace {

template <typename Enum>
std::string Word(Enum value, absl::string_view prefix, absl::string_view unknown) {
  const auto* descriptor = google::protobuf::GetEnumDescriptor<Enum>();
  const auto* named = descriptor->FindValueByNumber(static_cast<int>(value));
  if (named == nullptr) return absl::StrCat(unknown, " ", static_cast<int>(value));
  return absl::AsciiStrToLower(absl::StripPrefix(named->name(), prefix));
}

std::string Capitalized(std::string word) {
  word[0] = absl::ascii_toupper(static_cast<unsigned char>(word[0]));
  return word;
}

}  // namespace

std::string StateName(v1::JobState state) {
  return Capitalized(Word(state, "JOB_STATE_", "state"));
}

std::string StateName(v1::StageState state) {
  return Capitalized(Word(state, "STAGE_STATE_", "state"));
}

std::string StateName(v1::WorkerState state) {
  return Capitalized(Word(state, "WORKER_STATE_", "state"));
}

std::string TokenizerName(v1::Tokenizer tokenizer) {
  return Word(tokenizer, "TOKENIZER_", "tokenizer");
}

std::string OrderName(v1::Order order) { return Word(order, "ORDER_", "order"); }

std::string RecomputeName(v1::Recompute recompute) {
  return Word(recompute, "RECOMPUTE_", "recompute");
}

std::string LagCorrectionName(v1::LagCorrection correction) {
  return Word(correction, "LAG_CORRECTION_", "lag correction");
}

std::string PartitionName(v1::PartitionBy by) { return Word(by, "PARTITION_BY_", "partition"); }

std::string PrecisionName(v1::Precision precision) {
  return Word(precision, "PRECISION_", "precision");
}

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_COMPLETED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

bool WillPause(const v1::Job& job) { return job.is_pause_wanted() && !HasEnded(job.state()); }

}  // namespace paci::cli
