#include "cli/format/job_trace.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/schedule/action.h"
#include "common/telemetry/chrome_trace.h"

namespace paci::cli {
namespace {

enum Row { kCompute, kSendsActivations, kSendsGradients, kReceives };

constexpr const char* kRowNames[] = {"compute", "sends activations", "sends gradients", "receives"};

constexpr absl::string_view kGoesOn = " (goes on)";

// How a trace shows a sort of span.
struct Look {
  Row row = kCompute;
  absl::string_view category;
  std::string name;
};

Look LookOf(const v1::Span& span) {
  // As schedules print: "3", and "3.1" of the model chunk 1.
  const std::string index = span.chunk() == 0 ? absl::StrCat(span.index())
                                              : absl::StrCat(span.index(), ".", span.chunk());
  const auto action = [&](ActionKind kind) -> Look {
    return {kCompute, NameOf(kind), std::string(1, static_cast<char>(kind)) + index};
  };
  const std::string activation = absl::StrCat("activation ", index);
  const std::string gradient = absl::StrCat("gradient ", index);
  const std::string evaluation = absl::StrCat("validation activation ", index);
  switch (span.kind()) {
    case v1::SPAN_KIND_FORWARD:
      return action(ActionKind::kForward);
    case v1::SPAN_KIND_BACKWARD:
      return action(ActionKind::kBackward);
    case v1::SPAN_KIND_WEIGHTS:
      return action(ActionKind::kWeights);
    case v1::SPAN_KIND_UPDATE:
      return action(ActionKind::kStep);
    case v1::SPAN_KIND_EVALUATE:
      return action(ActionKind::kEvaluate);
    case v1::SPAN_KIND_CHECKPOINT:
      return action(ActionKind::kCheckpoint);
    case v1::SPAN_KIND_WAIT_ACTIVATION:
      return {kCompute, "wait", "wait for " + activation};
    case v1::SPAN_KIND_WAIT_GRADIENT:
      return {kCompute, "wait", "wait for " + gradient};
    case v1::SPAN_KIND_WAIT_EVALUATION:
      return {kCompute, "wait", "wait for " + evaluation};
    case v1::SPAN_KIND_WAIT_SEND:
      return {kCompute, "wait", "wait for a send"};
    case v1::SPAN_KIND_HELD:
      return {kCompute, "wait", "paused"};
    case v1::SPAN_KIND_SEND_ACTIVATION:
      return {kSendsActivations, "send", activation};
    case v1::SPAN_KIND_SEND_GRADIENT:
      return {kSendsGradients, "send", gradient};
    case v1::SPAN_KIND_SEND_EVALUATION:
      return {kSendsActivations, "send", evaluation};
    case v1::SPAN_KIND_RECEIVE_ACTIVATION:
      return {kReceives, "receive", activation};
    case v1::SPAN_KIND_RECEIVE_GRADIENT:
      return {kReceives, "receive", gradient};
    case v1::SPAN_KIND_RECEIVE_EVALUATION:
      return {kReceives, "receive", evaluation};
    default:
      return {kCompute, "unknown", absl::StrCat("span of kind ", span.kind())};
  }
}

// The stage that a sent frame goes to, and the span that it is for. Between the last stage and the
// first frames go round, into another model chunk.
struct Consumer {
  int64_t stage;
  v1::SpanKind kind;
};
std::optional<Consumer> ConsumerOf(int64_t stage, v1::SpanKind sent, int64_t stages) {
  const int64_t next = (stage + 1) % stages;
  const int64_t previous = (stage + stages - 1) % stages;
  switch (sent) {
    case v1::SPAN_KIND_SEND_ACTIVATION:
      return Consumer{next, v1::SPAN_KIND_FORWARD};
    case v1::SPAN_KIND_SEND_GRADIENT:
      return Consumer{previous, v1::SPAN_KIND_BACKWARD};
    case v1::SPAN_KIND_SEND_EVALUATION:
      return Consumer{next, v1::SPAN_KIND_EVALUATE};
    default:
      return std::nullopt;
  }
}

int64_t BeginOf(const v1::StageTrace& stage, const v1::Span& span) {
  return stage.origin_unix_nanos() + stage.clock_offset_nanos() + span.begin_nanos();
}

int64_t EndOf(const v1::StageTrace& stage, const v1::Span& span) {
  return BeginOf(stage, span) + static_cast<int64_t>(span.duration_nanos());
}

std::string NameOf(const v1::StageTrace& stage) {
  return absl::StrCat("stage ", stage.stage(), " on ", stage.worker_name());
}

std::string Microseconds(uint64_t nanos) {
  return absl::StrFormat("%.1f us", static_cast<double>(nanos) / 1000);
}

// Writes the slices of one trace, then its arrows.
class Writer {
 public:
  explicit Writer(const JobTrace& trace) : trace_(trace) {
    begin_ = std::numeric_limits<int64_t>::max();
    for (const v1::StageTrace& stage : trace.stages) {
      for (const v1::Span& span : stage.spans()) begin_ = std::min(begin_, BeginOf(stage, span));
    }
    if (!trace.HasSpans()) begin_ = 0;
  }

  std::string Write() {
    AddMetadata();
    for (const v1::StageTrace& stage : trace_.stages) AddStage(stage);
    for (const Sent& sent : sent_) AddArrow(sent);
    return chrome_.ToJson();
  }

 private:
  struct Slice {
    int64_t begin;
    int64_t end;
  };
  struct Sent {
    std::string name;
    ChromeTrace::Row row;
    int64_t begin;
    Consumer consumer;
    uint64_t index;
    uint32_t chunk;
  };

  void AddMetadata() {
    chrome_.AddMetadata("job", trace_.job_id);
    chrome_.AddMetadata("began",
                        absl::FormatTime(absl::FromUnixNanos(begin_), absl::UTCTimeZone()));
    chrome_.AddMetadata("clock_error_us",
                        absl::StrFormat("%.3f", absl::ToDoubleMicroseconds(trace_.ClockError())));
    for (const v1::StageTrace& stage : trace_.stages) {
      std::string text = absl::StrCat(
          "worker ", stage.worker_name(), "; clock set by ",
          absl::StrFormat("%.1f us", static_cast<double>(stage.clock_offset_nanos()) / 1000),
          ", give or take ", Microseconds(stage.clock_error_nanos()));
      if (!stage.cut_short().empty()) absl::StrAppend(&text, "; cut short: ", stage.cut_short());
      if (!stage.error().empty()) absl::StrAppend(&text, "; missing: ", stage.error());
      chrome_.AddMetadata(absl::StrCat("stage ", stage.stage()), text);
    }
  }

  void AddStage(const v1::StageTrace& stage) {
    const int64_t process = stage.stage();
    const auto stage_count = static_cast<int64_t>(trace_.stages.size());
    chrome_.NameProcess(process, NameOf(stage));
    for (const Row row : {kCompute, kSendsActivations, kSendsGradients, kReceives}) {
      chrome_.NameRow({process, row}, kRowNames[row]);
    }
    std::map<Row, int64_t> row_ends;
    for (const v1::Span& span : stage.spans()) {
      const Look look = LookOf(span);
      const ChromeTrace::Row row{process, look.row};
      const int64_t begin = BeginOf(stage, span) - begin_;
      const int64_t end = EndOf(stage, span) - begin_;
      if (look.row == kReceives) {
        chrome_.AddInstant(row, look.name, look.category, end);
        continue;
      }
      slices_[{process, span.kind(), span.index(), span.chunk()}] = {begin, end};
      const std::optional<Consumer> consumer = ConsumerOf(process, span.kind(), stage_count);
      if (!consumer) {
        chrome_.AddSlice(row, absl::StrCat(look.name, span.goes_on() ? kGoesOn : ""), look.category,
                         begin, end - begin);
        continue;
      }
      // Frames of a direction leave one after another: this one when the one before it had left.
      const auto [last_end, is_first] = row_ends.try_emplace(look.row, begin);
      const int64_t leaves = std::clamp(last_end->second, begin, end);
      last_end->second = end;
      chrome_.AddSlice(row, look.name, look.category, leaves, end - leaves,
                       {{"queued_us", (leaves - begin) / 1000}});
      sent_.push_back({look.name, row, leaves, *consumer, span.index(), span.chunk()});
    }
  }

  void AddArrow(const Sent& sent) {
    const auto found =
        slices_.find({sent.consumer.stage, sent.consumer.kind, sent.index, sent.chunk});
    if (found == slices_.end()) return;
    // By clocks that are a little off it may have been used before it was sent.
    const int64_t used = std::max(found->second.begin, sent.begin);
    if (used > found->second.end) return;
    chrome_.AddArrow(++arrows_, sent.name, sent.row, sent.begin, {sent.consumer.stage, kCompute},
                     used);
  }

  const JobTrace& trace_;
  int64_t begin_;
  ChromeTrace chrome_;
  std::map<std::tuple<int64_t, v1::SpanKind, uint64_t, uint32_t>, Slice> slices_;
  std::vector<Sent> sent_;
  int64_t arrows_ = 0;
};

}  // namespace

bool JobTrace::HasSpans() const {
  return std::any_of(stages.begin(), stages.end(),
                     [](const v1::StageTrace& stage) { return stage.spans_size() > 0; });
}

absl::Duration JobTrace::ClockError() const {
  uint64_t most = 0;
  uint64_t second = 0;
  for (const v1::StageTrace& stage : stages) {
    if (stage.spans().empty()) continue;
    second = std::max(second, std::min(most, stage.clock_error_nanos()));
    most = std::max(most, stage.clock_error_nanos());
  }
  return absl::Nanoseconds(most) + absl::Nanoseconds(second);
}

JobTrace MakeJobTrace(absl::string_view job_id, const std::vector<v1::StageTrace>& parts) {
  std::map<uint32_t, v1::StageTrace> stages;
  // Fields of one value are the same in all parts of a stage; spans come one part after another.
  for (const v1::StageTrace& part : parts) stages[part.stage()].MergeFrom(part);
  JobTrace trace;
  trace.job_id = std::string(job_id);
  for (auto& [index, stage] : stages) trace.stages.push_back(std::move(stage));
  return trace;
}

std::string ToChromeTrace(const JobTrace& trace) { return Writer(trace).Write(); }

std::string SummaryOf(const JobTrace& trace) {
  std::string text;
  for (const v1::StageTrace& stage : trace.stages) {
    int64_t end = 0;
    for (const v1::Span& span : stage.spans()) {
      end = std::max(end,
                     EndOf(stage, span) - stage.origin_unix_nanos() - stage.clock_offset_nanos());
    }
    absl::StrAppend(&text, NameOf(stage), ": ", stage.spans_size(), " spans over ",
                    absl::StrFormat("%.3f s", static_cast<double>(end) / 1e9), "\n");
  }
  absl::StrAppend(&text, "clocks agree within ",
                  absl::StrFormat("%.1f us", absl::ToDoubleMicroseconds(trace.ClockError())), "\n");
  return text;
}

TraceProblems ProblemsOf(const JobTrace& trace) {
  TraceProblems problems;
  for (const v1::StageTrace& stage : trace.stages) {
    if (!stage.cut_short().empty()) {
      problems.cut_short.push_back(absl::StrCat(NameOf(stage), ": ", stage.cut_short()));
    }
    if (!stage.error().empty()) {
      problems.missing.push_back(absl::StrCat(NameOf(stage), ": ", stage.error()));
    }
  }
  return problems;
}

}  // namespace paci::cli
