#include "coordinator/job/tracing.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/status.h"
#include "common/text/short_duration.h"
#include "coordinator/job/cut_text.h"

namespace paci {
namespace {

ClockExchange ExchangeOf(const v1::ClockReading& clock) {
  return {absl::FromUnixNanos(clock.sent_unix_nanos()),
          absl::FromUnixNanos(clock.received_unix_nanos()),
          absl::FromUnixNanos(clock.answered_unix_nanos()),
          absl::FromUnixNanos(clock.returned_unix_nanos())};
}

absl::Status CheckWindow(const v1::TraceJobRequest& request) {
  const double max_seconds = absl::ToDoubleSeconds(kMaxTraceWindow);
  if (request.updates() > kMaxTraceUpdates) {
    return absl::InvalidArgumentError(absl::StrCat("a trace of ", request.updates(),
                                                   " updates is not possible; expected at most ",
                                                   kMaxTraceUpdates, " (--updates)"));
  }
  if (!(request.seconds() >= 0 && request.seconds() <= max_seconds)) {
    return absl::InvalidArgumentError(absl::StrCat("a trace of ", request.seconds(),
                                                   " s is not possible; expected at most ",
                                                   max_seconds, " s (--for)"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Tracing::Begin(TraceTicket ticket, const v1::TraceJobRequest& request,
                            const std::vector<TraceTarget>& targets, absl::Time now, Send send) {
  if (absl::Status valid = CheckWindow(request); !valid.ok()) return valid;
  for (const auto& [other, trace] : traces_) {
    if (trace.job_id != request.job_id()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", request.job_id(), " is being traced already; wait for the end of that trace"));
  }
  if (traces_.size() >= options_.max_traces) {
    return absl::ResourceExhaustedError(absl::StrCat(
        traces_.size(), " jobs are being traced already; wait for the end of one of the traces"));
  }
  Trace& trace = traces_[ticket];
  trace.job_id = request.job_id();
  trace.updates = request.updates();
  trace.limit = request.seconds() > 0 ? absl::Seconds(request.seconds()) : kMaxTraceWindow;
  trace.max_stage_spans =
      std::min(options_.max_stage_spans, options_.max_spans / std::max<size_t>(1, targets.size()));
  for (const TraceTarget& target : targets) {
    Stage& stage = trace.stages.emplace_back();
    stage.target = target;
    stage.deadline = now + options_.exchange_patience;
    if (target.out_of_reach.empty()) {
      AskForClock(stage, send);
    } else {
      Fail(stage, target.out_of_reach);
    }
  }
  Advance(now, send);
  return absl::OkStatus();
}

void Tracing::AskForClock(Stage& stage, Send send) {
  v1::Command command;
  command.mutable_sync_clock();
  stage.in_flight = send(stage.target.worker_id, std::move(command));
}

void Tracing::Fail(Stage& stage, absl::string_view why) {
  stage.phase = Phase::kDone;
  stage.error = CutText(why);
}

Tracing::Stage* Tracing::Find(const std::string& worker_id, uint64_t command_id) {
  for (auto& [ticket, trace] : traces_) {
    for (Stage& stage : trace.stages) {
      const bool is_asked = stage.phase != Phase::kReady && stage.phase != Phase::kDone;
      if (is_asked && stage.in_flight == command_id && stage.target.worker_id == worker_id) {
        return &stage;
      }
    }
  }
  return nullptr;
}

void Tracing::OnPart(const std::string& worker_id, const v1::TracePart& part) {
  Stage* const stage = Find(worker_id, part.command_id());
  if (stage == nullptr || stage->phase != Phase::kRecording) return;
  stage->spans += part.trace().spans_size();
  if (stage->spans > options_.max_stage_spans) {
    return Fail(*stage, absl::StrCat("its worker sent more than ", options_.max_stage_spans,
                                     " spans, which is the limit"));
  }
  stage->parts.push_back(part.trace());
}

bool Tracing::OnResult(const std::string& worker_id, const v1::CommandResult& result,
                       absl::Time now, Send send) {
  Stage* const stage = Find(worker_id, result.id());
  if (stage == nullptr) return false;
  if (result.code() != 0) {
    Fail(*stage, StatusFromCode(result.code(), result.message()).ToString());
  } else if (stage->phase == Phase::kRecording) {
    stage->phase = Phase::kComparingAfter;
    stage->deadline = now + options_.exchange_patience;
    AskForClock(*stage, send);
  } else {
    OnClock(*stage, result.clock(), now, send);
  }
  Advance(now, send);
  return true;
}

void Tracing::OnClock(Stage& stage, const v1::ClockReading& clock, absl::Time now, Send send) {
  stage.exchanges.push_back(ExchangeOf(clock));
  if (static_cast<int>(stage.exchanges.size()) < options_.exchanges) {
    return AskForClock(stage, send);
  }
  const bool is_before = stage.phase == Phase::kComparingBefore;
  (is_before ? stage.before : stage.after) = BestOffset(std::exchange(stage.exchanges, {}));
  if (is_before && !stage.before) {
    return Fail(stage, "its worker's clock runs backwards: its times mean nothing");
  }
  stage.phase = is_before ? Phase::kReady : Phase::kDone;
  stage.deadline = now + options_.exchange_patience;
}

void Tracing::OnWorkerLost(const std::string& worker_id, absl::string_view why, absl::Time now,
                           Send send) {
  for (auto& [ticket, trace] : traces_) {
    for (Stage& stage : trace.stages) {
      if (stage.target.worker_id != worker_id || stage.phase == Phase::kDone) continue;
      Fail(stage, absl::StrCat("its worker was lost meanwhile: ", why));
    }
  }
  Advance(now, send);
}

void Tracing::Tick(absl::Time now, Send send) {
  for (auto& [ticket, trace] : traces_) {
    for (Stage& stage : trace.stages) {
      if (now < stage.deadline) continue;
      switch (stage.phase) {
        case Phase::kComparingBefore:
          Fail(stage, absl::StrCat("its worker did not say its time within ",
                                   ShortDuration(options_.exchange_patience)));
          break;
        case Phase::kRecording:
          Fail(stage, absl::StrCat("its worker did not send what it recorded within ",
                                   ShortDuration(trace.limit + options_.patience)));
          break;
        case Phase::kComparingAfter:
          Fail(stage, "its worker's clock could not be compared again after the window");
          break;
        case Phase::kReady:
        case Phase::kDone:
          break;
      }
    }
  }
  Advance(now, send);
}

void Tracing::Advance(absl::Time now, Send send) {
  for (auto it = traces_.begin(); it != traces_.end();) {
    Trace& trace = it->second;
    const auto all = [&trace](auto claim) {
      return std::all_of(trace.stages.begin(), trace.stages.end(), claim);
    };
    if (all([](const Stage& s) { return s.phase == Phase::kDone; })) {
      TraceOutcome& outcome = outcomes_.emplace_back();
      outcome.ticket = it->first;
      for (Stage& stage : trace.stages) {
        for (v1::StageTrace& part : MakeStageTraces(stage))
          outcome.stages.push_back(std::move(part));
      }
      it = traces_.erase(it);
      continue;
    }
    if (all([](const Stage& s) { return s.phase != Phase::kComparingBefore; })) {
      Record(trace, now, send);
    }
    ++it;
  }
}

void Tracing::Record(Trace& trace, absl::Time now, Send send) {
  for (Stage& stage : trace.stages) {
    if (stage.phase != Phase::kReady) continue;
    v1::Command command;
    v1::TraceStage& order = *command.mutable_trace_stage();
    *order.mutable_key() = stage.target.key;
    order.set_updates(trace.updates);
    order.set_seconds(absl::ToDoubleSeconds(trace.limit));
    order.set_max_spans(static_cast<uint32_t>(trace.max_stage_spans));
    stage.phase = Phase::kRecording;
    stage.deadline = now + trace.limit + options_.patience;
    stage.in_flight = send(stage.target.worker_id, std::move(command));
  }
}

std::vector<v1::StageTrace> Tracing::MakeStageTraces(Stage& stage) {
  std::vector<v1::StageTrace> parts = std::move(stage.parts);
  if (parts.empty()) parts.emplace_back();
  ClockOffset clock = stage.before.value_or(ClockOffset());
  if (stage.after) clock = Between(clock, *stage.after);
  for (v1::StageTrace& part : parts) {
    part.set_stage(stage.target.key.stage());
    part.set_worker_name(stage.target.worker_name);
    part.set_cut_short(CutText(part.cut_short()));
    part.set_error(stage.error);
    part.set_clock_offset_nanos(absl::ToInt64Nanoseconds(clock.offset));
    // Up, so that the promise holds.
    part.set_clock_error_nanos(absl::ToInt64Nanoseconds(clock.error) + 1);
  }
  return parts;
}

}  // namespace paci
