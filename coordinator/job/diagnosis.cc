#include "coordinator/job/diagnosis.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/model_chunks.h"
#include "common/schedule/pass_order.h"
#include "common/text/short_duration.h"
#include "coordinator/job/job_machine.h"

namespace paci {
namespace {

// What is to be thought of one stage.
struct Reading {
  enum class Standing { kBusy, kWaits, kSilent, kAtRest };
  Standing standing = Standing::kBusy;
  std::string what;
  uint32_t waits_for = 0;  // kWaits: which stage
  bool was_sent = false;   // kWaits: that stage has sent what is awaited
  bool is_send = false;    // kWaits: until what it made has left
  double seconds = 0;      // it has stood so for, if it still does
};
using Standing = Reading::Standing;

// Where a chain of stages that wait for one another ends.
struct End {
  uint32_t stage = 0;
  std::optional<uint32_t> link_to;  // the stage at the other end of the link that is the cause

  bool operator<(const End& other) const {
    return std::tie(stage, link_to) < std::tie(other.stage, other.link_to);
  }
};

// A pass that another stage makes, and its frame for the one that waits.
struct Awaited {
  uint32_t stage;
  int64_t micro_batch;
  int64_t chunk;  // of that stage
};

bool IsIn(v1::SpanKind kind, std::initializer_list<v1::SpanKind> kinds) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

class Reader {
 public:
  explicit Reader(const JobSight& job)
      : job_(job),
        count_(static_cast<uint32_t>(job.stages.size())),
        chunks_(ModelChunks(job.spec.pipeline())),
        passes_(count_, chunks_, job.spec.pipeline().accumulation()),
        evaluation_passes_(count_, chunks_, job.spec.train().eval_batches()) {}

  Reading Read(uint32_t stage) const {
    const StageSight& sight = job_.stages[stage];
    switch (sight.status.state()) {
      case v1::STAGE_STATE_RUNNING:
        break;
      case v1::STAGE_STATE_LOST:
        return {Standing::kSilent, "is out of reach: " + sight.status.error()};
      case v1::STAGE_STATE_FAILED:
        return {Standing::kSilent, "has failed: " + sight.status.error()};
      case v1::STAGE_STATE_PREPARING:
        return {Standing::kBusy, "builds its layers and connects to its neighbours"};
      case v1::STAGE_STATE_READY:
        return {Standing::kBusy, "is ready and waits for its start"};
      case v1::STAGE_STATE_FINISHED:
        return {Standing::kAtRest, "has finished"};
      default:
        return {Standing::kAtRest, "has been stopped"};
    }
    const double age = absl::ToDoubleSeconds(sight.report_age);
    if (sight.report_age > job_.silent_after) {
      return {Standing::kSilent,
              absl::StrCat("has said nothing for ", ShortDuration(sight.report_age)),
              0,
              false,
              false,
              age};
    }
    if (sight.is_held || sight.status.now().kind() == v1::SPAN_KIND_HELD) {
      return {Standing::kAtRest, "is paused"};
    }
    Reading reading = ReadOccupation(stage);
    const double seconds = sight.status.now().seconds();
    reading.seconds = seconds + age;
    absl::StrAppend(&reading.what, reading.standing == Standing::kWaits ? ", for " : " for ",
                    ShortDuration(absl::Seconds(seconds)));
    return reading;
  }

 private:
  Reading ReadOccupation(uint32_t stage) const {
    const v1::Occupation& now = job_.stages[stage].status.now();
    const std::string micro_batch =
        absl::StrCat("micro-batch ", now.index(), chunks_ > 1 ? " in its chunk " : "",
                     chunks_ > 1 ? absl::StrCat(now.chunk()) : "");
    switch (now.kind()) {
      case v1::SPAN_KIND_FORWARD:
        return {Standing::kBusy, absl::StrCat("has been in the forward of ", micro_batch)};
      case v1::SPAN_KIND_BACKWARD:
        return {Standing::kBusy, absl::StrCat("has been in the backward of ", micro_batch)};
      case v1::SPAN_KIND_WEIGHTS:
        return {Standing::kBusy,
                absl::StrCat("has been in the weight half of the backward of ", micro_batch)};
      case v1::SPAN_KIND_UPDATE:
        return {Standing::kBusy, absl::StrCat("has been in update ", now.index())};
      case v1::SPAN_KIND_EVALUATE:
        return {Standing::kBusy, absl::StrCat("has been in the validation of ", micro_batch)};
      case v1::SPAN_KIND_CHECKPOINT:
        return {Standing::kBusy, absl::StrCat("has been writing checkpoint ", now.index())};
      case v1::SPAN_KIND_WAIT_ACTIVATION:
        return Waits(stage, absl::StrCat("the activation of ", micro_batch), Upstream(stage));
      case v1::SPAN_KIND_WAIT_EVALUATION:
        return Waits(stage, absl::StrCat("the validation activation of ", micro_batch),
                     Upstream(stage));
      case v1::SPAN_KIND_WAIT_GRADIENT:
        return Waits(stage, absl::StrCat("the gradient of ", micro_batch), Downstream(stage));
      case v1::SPAN_KIND_WAIT_SEND: {
        const uint32_t taker = TakerOfSend(stage);
        return {Standing::kWaits, absl::StrCat("waits until its output has left to stage ", taker),
                taker,
                /*was_sent=*/false, /*is_send=*/true};
      }
      default:
        return {Standing::kBusy, "has been between two actions"};
    }
  }

  Reading Waits(uint32_t stage, const std::string& frame, const Awaited& awaited) const {
    const bool was_sent = WasSent(stage, awaited);
    return {Standing::kWaits,
            absl::StrCat("waits for ", frame, " from stage ", awaited.stage,
                         was_sent ? ", which has sent it" : ""),
            awaited.stage, was_sent};
  }

  Awaited Upstream(uint32_t stage) const {
    const v1::Occupation& now = job_.stages[stage].status.now();
    return {(stage + count_ - 1) % count_, static_cast<int64_t>(now.index()),
            int64_t{now.chunk()} - (stage == 0 ? 1 : 0)};
  }
  Awaited Downstream(uint32_t stage) const {
    const v1::Occupation& now = job_.stages[stage].status.now();
    return {(stage + 1) % count_, static_cast<int64_t>(now.index()),
            int64_t{now.chunk()} + (stage + 1 == count_ ? 1 : 0)};
  }

  bool WasSent(uint32_t stage, const Awaited& awaited) const {
    const v1::StageStatus& waiting = job_.stages[stage].status;
    const v1::StageStatus& sender = job_.stages[awaited.stage].status;
    switch (waiting.now().kind()) {
      case v1::SPAN_KIND_WAIT_ACTIVATION:
        return passes_.IndexOf({awaited.micro_batch, awaited.chunk}) <
               static_cast<int64_t>(sender.forwards());
      case v1::SPAN_KIND_WAIT_GRADIENT:
        return passes_.IndexOf({awaited.micro_batch, chunks_ - 1 - awaited.chunk}) <
               static_cast<int64_t>(sender.backwards());
      default:
        return WasEvaluated(waiting, sender, awaited);
    }
  }
  // Validation is not counted; but a stage does nothing else before its end.
  bool WasEvaluated(const v1::StageStatus& waiting, const v1::StageStatus& sender,
                    const Awaited& awaited) const {
    if (sender.updates() != waiting.updates()) return sender.updates() > waiting.updates();
    if (sender.state() == v1::STAGE_STATE_FINISHED) return true;
    const v1::Occupation& now = sender.now();
    if (IsIn(now.kind(), {v1::SPAN_KIND_EVALUATE, v1::SPAN_KIND_WAIT_EVALUATION})) {
      return evaluation_passes_.IndexOf({awaited.micro_batch, awaited.chunk}) <
             evaluation_passes_.IndexOf({static_cast<int64_t>(now.index()), now.chunk()});
    }
    return IsIn(now.kind(),
                {v1::SPAN_KIND_FORWARD, v1::SPAN_KIND_BACKWARD, v1::SPAN_KIND_WAIT_ACTIVATION,
                 v1::SPAN_KIND_WAIT_GRADIENT, v1::SPAN_KIND_CHECKPOINT, v1::SPAN_KIND_HELD});
  }

  // Whom a frame is for that does not leave: whoever waits for one, else the stage that takes
  // gradients, whose buffers are what a stage runs out of.
  uint32_t TakerOfSend(uint32_t stage) const {
    const uint32_t downstream = (stage + 1) % count_;
    const bool is_awaited = IsIn(job_.stages[downstream].status.now().kind(),
                                 {v1::SPAN_KIND_WAIT_ACTIVATION, v1::SPAN_KIND_WAIT_EVALUATION});
    const bool goes_down = stage + 1 < count_ && (stage == 0 || is_awaited);
    return goes_down ? downstream : (stage + count_ - 1) % count_;
  }

  const JobSight& job_;
  const uint32_t count_;
  const int64_t chunks_;
  const PassOrder passes_;
  const PassOrder evaluation_passes_;
};

// Of stages that wait for each other, the same one from wherever one begins: before one whose
// output does not leave the one that does not get it, and of several the one that waits the
// longest.
End EndOfCycle(uint32_t member, const std::vector<Reading>& readings) {
  const auto weight = [&](uint32_t stage) {
    return std::tuple(!readings[stage].is_send, readings[stage].seconds, stage);
  };
  uint32_t longest = member;
  for (uint32_t s = readings[member].waits_for; s != member; s = readings[s].waits_for) {
    if (weight(s) > weight(longest)) longest = s;
  }
  return {longest, readings[longest].waits_for};
}

End Follow(uint32_t from, const std::vector<Reading>& readings) {
  std::set<uint32_t> passed;
  for (uint32_t stage = from;;) {
    const Reading& reading = readings[stage];
    if (reading.standing != Standing::kWaits || reading.waits_for == stage) return {stage, {}};
    const uint32_t next = reading.waits_for;
    // Nothing comes any more from a stage that is at rest.
    if (reading.was_sent || readings[next].standing == Standing::kAtRest) return {stage, next};
    if (!passed.insert(stage).second) return EndOfCycle(stage, readings);
    stage = next;
  }
}

struct Cause {
  End end;
  int chains = 0;  // stages that wait for it, itself among them
};

// The end of the most chains; of as many, one that is no mere work: a link, or silence; then the
// one that stands so the longest.
std::optional<Cause> CauseOf(const std::vector<Reading>& readings) {
  std::map<End, int> chains;
  for (uint32_t i = 0; i < readings.size(); ++i) {
    if (readings[i].standing != Standing::kAtRest) ++chains[Follow(i, readings)];
  }
  std::optional<Cause> cause;
  const auto weight = [&](const Cause& c) {
    const Reading& reading = readings[c.end.stage];
    return std::tuple(c.chains, reading.standing != Standing::kBusy, reading.seconds);
  };
  for (const auto& [end, count] : chains) {
    const Cause candidate{end, count};
    if (!cause || weight(candidate) > weight(*cause)) cause = candidate;
  }
  return cause;
}

// ", as of 1.2s ago"; empty: that is now.
std::string AsOf(absl::Duration age) {
  if (age < absl::Milliseconds(50)) return "";
  return absl::StrCat(", as of ", ShortDuration(age), " ago");
}

// Of a stage that does something, as its report says.
absl::Duration AgeOf(const JobSight& job, const std::vector<Reading>& readings, uint32_t stage) {
  const Standing standing = readings[stage].standing;
  const bool is_of_report = standing == Standing::kBusy || standing == Standing::kWaits;
  return is_of_report ? job.stages[stage].report_age : absl::ZeroDuration();
}

std::string Summarize(const JobSight& job, const std::vector<Reading>& readings,
                      const Cause& cause) {
  const uint32_t stage = cause.end.stage;
  const auto name = [&](uint32_t i) {
    return absl::StrCat("stage ", i, " on worker ", job.stages[i].status.worker_name());
  };
  const std::string& what = readings[stage].what;
  const absl::Duration age = AgeOf(job, readings, stage);
  if (const auto link_to = cause.end.link_to) {
    return absl::StrCat(name(stage), " does not get what ", name(*link_to), " sends: it ", what,
                        ", and stage ", *link_to, " ", readings[*link_to].what,
                        AsOf(std::max(age, AgeOf(job, readings, *link_to))));
  }
  return absl::StrCat(name(stage), cause.chains > 1 ? ", for which the others wait, " : " ", what,
                      AsOf(age));
}

bool IsToMove(v1::JobState state) {
  return state == v1::JOB_STATE_RUNNING || state == v1::JOB_STATE_PAUSING;
}

}  // namespace

v1::Diagnosis Diagnose(const JobSight& job) {
  v1::Diagnosis diagnosis;
  const Reader reader(job);
  std::vector<Reading> readings;
  for (uint32_t i = 0; i < job.stages.size(); ++i) {
    readings.push_back(reader.Read(i));
    v1::StageDiagnosis& stage = *diagnosis.add_stages();
    stage.set_stage(i);
    stage.set_worker_name(job.stages[i].status.worker_name());
    stage.set_what(readings.back().what);
    stage.set_report_age_seconds(absl::ToDoubleSeconds(job.stages[i].report_age));
  }
  if (!IsToMove(job.state)) {
    diagnosis.set_summary(
        absl::StrCat("the job is ", ToString(job.state), ", it is not to move: ", job.reason));
    return diagnosis;
  }
  if (job.is_moving) {
    diagnosis.set_summary(absl::StrCat("the pipeline moves", AsOf(job.still_for)));
    return diagnosis;
  }
  const std::optional<Cause> cause = CauseOf(readings);
  if (!cause) {
    diagnosis.set_summary("no stage waits for another one");
    return diagnosis;
  }
  diagnosis.set_cause(cause->end.stage);
  diagnosis.set_summary(Summarize(job, readings, *cause));
  return diagnosis;
}

}  // namespace paci
