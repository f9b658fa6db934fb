#include "worker/stage/stage_loop.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/timestamp.h"
#include "worker/stage/span_kinds.h"

namespace paci {
namespace {

// Of a frame about the action's micro-batch for `chunk` of the stage that receives it.
FrameTag TagOf(Action action, int64_t chunk) {
  FrameKind kind = FrameKind::kGradient;
  if (action.kind == ActionKind::kForward) kind = FrameKind::kActivation;
  if (action.kind == ActionKind::kEvaluate) kind = FrameKind::kEvaluation;
  return {kind, static_cast<uint32_t>(chunk), static_cast<uint64_t>(action.index)};
}

// What goes with a frame of the same micro-batch, just before it.
FrameTag TiedTagOf(Action action) {
  return {FrameKind::kTied, /*chunk=*/0, static_cast<uint64_t>(action.index)};
}

}  // namespace

int StageLoop::SlotCount(const Schedule& schedule) {
  // One more than can be held, so that the next activation arrives during the work on this one.
  return static_cast<int>(schedule.ActivationCap()) + 1;
}

StageLoop::StageLoop(std::unique_ptr<Schedule> schedule, StageCompute* compute,
                     StageChannels channels, StageMonitor* monitor,
                     std::unique_ptr<Replicator> replicator)
    : schedule_(std::move(schedule)),
      compute_(compute),
      monitor_(monitor),
      spans_(*monitor->spans()),
      book_(compute, monitor),
      state_(schedule_->Begin()),
      slots_(SlotCount(*schedule_)),
      prepared_{state_.forwards, state_.evaluations},
      posted_gradients_(state_.gradients),
      versions_(compute->WeightSample(), state_.updates),
      checkpoints_(compute, monitor),
      replicator_(std::move(replicator)),
      channels_(std::move(channels)) {
  inbox_.Update([this](Arrivals& arrivals) {
    arrivals.begun = state_.updates * schedule_->config().accumulation;
    arrivals.activations = state_.activations;
    arrivals.evaluation_activations = state_.evaluation_activations;
    arrivals.gradients = state_.gradients;
  });
}

StageLoop::~StageLoop() = default;

void StageLoop::Stop(const absl::Status& reason) {
  inbox_.Fail(reason);
  if (replicator_ != nullptr) replicator_->Close(reason);
}

int64_t StageLoop::HoldAtFirstStage() {
  const int64_t a = schedule_->config().accumulation;
  int64_t hold_at = 0;
  inbox_.Update([&](Arrivals& arrivals) {
    hold_at = (arrivals.begun + a - 1) / a * a;
    arrivals.hold_at = hold_at;
  });
  return hold_at / a;
}

void StageLoop::HoldAt(int64_t at_update) {
  const int64_t hold_at = at_update * schedule_->config().accumulation;
  inbox_.Update([&](Arrivals& arrivals) { arrivals.hold_at = hold_at; });
}

void StageLoop::Resume() {
  inbox_.Update([](Arrivals& arrivals) { arrivals.hold_at = kNoHold; });
}

absl::Status StageLoop::Run() {
  absl::Status status = RunSchedule();
  if (!status.ok()) CloseChannels(status);
  book_.Settle();
  book_.Book(Activity::kOther);
  if (state_.checkpoints > 0) {
    spans_.Start(SpanOf(Action{ActionKind::kCheckpoint, state_.checkpoints - 1}), book_.booked());
  }
  checkpoints_.Await();
  book_.Book(Activity::kCheckpoint);
  return status;
}

absl::Status StageLoop::RunSchedule() {
  book_.Begin();
  started_ = book_.booked();
  Replicate();
  for (;;) {
    absl::StatusOr<std::optional<Action>> action = AwaitAction();
    if (!action.ok()) return action.status();
    if (!action->has_value()) return absl::OkStatus();
    book_.Book(Activity::kOther);
    spans_.Start(SpanOf(**action), book_.booked());
    if (absl::Status done = Perform(**action); !done.ok()) return done;
    book_.BookAction(ActivityOf((*action)->kind), SpanOf(**action));
    if ((*action)->kind == ActionKind::kStep) Replicate();
    if (absl::Status valid = schedule_->CheckInvariants(state_); !valid.ok()) return valid;
    monitor_->OnProgress(state_, /*is_held=*/false);
  }
}

absl::StatusOr<std::optional<Action>> StageLoop::AwaitAction() {
  TakeArrivals(inbox_.Get());
  for (;;) {
    const Decision decision = schedule_->Next(state_);
    if (decision.wait == Wait::kFinished && !IsSendPending()) return std::nullopt;
    if (!arrivals_.failure.ok()) return arrivals_.failure;
    if (decision.action && !IsAwaitingSend(*decision.action)) {
      if (MayBegin(*decision.action)) return decision.action;
      TakeArrivals(inbox_.Get());
      continue;
    }
    book_.Book(Activity::kOther);
    monitor_->OnProgress(state_, decision.wait == Wait::kHold);
    spans_.Start(SpanOf(decision.wait, Awaited(decision.wait)), book_.booked());
    TakeArrivals(inbox_.Wait());
    book_.Book(ActivityOf(decision.wait), SpanOf(decision.wait, Awaited(decision.wait)));
  }
}

bool StageLoop::MayBegin(Action action) {
  const bool begins_micro_batch = action.kind == ActionKind::kForward && action.chunk == 0;
  if (!begins_micro_batch || !schedule_->is_first()) return true;
  bool is_allowed = false;
  inbox_.Update([&](Arrivals& arrivals) {
    is_allowed = action.index < arrivals.hold_at;
    if (is_allowed) arrivals.begun = action.index + 1;
  });
  return is_allowed;
}

void StageLoop::TakeArrivals(const Arrivals& arrivals) {
  arrivals_ = arrivals;
  state_.activations = arrivals.activations;
  state_.evaluation_activations = arrivals.evaluation_activations;
  state_.gradients = arrivals.gradients;
  state_.hold_at = arrivals.hold_at;
  while (!leaving_slots_.empty() && leaving_slots_.front().outputs_sent <= arrivals.outputs_sent &&
         leaving_slots_.front().gradients_sent <= arrivals.gradients_sent) {
    slots_.Release(leaving_slots_.front().slot);
    leaving_slots_.pop_front();
  }
  PrepareInputs();
  PostGradients();
}

bool StageLoop::IsAwaitingSend(Action action) const {
  const bool takes_slot =
      action.kind == ActionKind::kForward || action.kind == ActionKind::kEvaluate;
  if (takes_slot) return prepared_slots_.empty();
  if (action.kind != ActionKind::kBackward) return false;
  // The gradient is here, so the peer has the output; the network may not have said so yet.
  return arrivals_.outputs_sent < in_flight_.at({action.index, action.chunk}).outputs_queued;
}

bool StageLoop::IsSendPending() const {
  return arrivals_.outputs_sent < outputs_queued_ || arrivals_.gradients_sent < gradients_queued_;
}

absl::Status StageLoop::Perform(Action action) {
  if (!compute_->RunsAhead()) return Do(action);
  compute_->BeginAction();
  absl::Status done = Do(action);
  compute_->EndAction();
  return done;
}

absl::Status StageLoop::Do(Action action) {
  switch (action.kind) {
    case ActionKind::kForward:
      return Forward(action);
    case ActionKind::kBackward:
      return Backward(action);
    case ActionKind::kWeights:
      return BackwardWeights(action.index);
    case ActionKind::kStep:
      return Step(action.index);
    case ActionKind::kEvaluate:
      return Evaluate(action);
    case ActionKind::kCheckpoint:
      return Checkpoint();
  }
  return absl::InternalError(absl::StrCat("no such action: ", ToString(action)));
}

int StageLoop::TakePreparedSlot() {
  const int slot = prepared_slots_.front();
  prepared_slots_.pop_front();
  return slot;
}

absl::Status StageLoop::Forward(Action action) {
  const int slot = TakePreparedSlot();
  absl::StatusOr<absl::Span<const std::byte>> output = compute_->Forward(action, slot);
  if (!output.ok()) return output.status();
  SendOutput(action, slot, *output);
  in_flight_[{action.index, action.chunk}] = {slot, outputs_queued_};
  const ScheduleConfig& config = schedule_->config();
  versions_.OnForward(
      ForwardVersion(config.weights, config.accumulation, action.index, state_.updates));
  schedule_->Finish(action, state_);
  return absl::OkStatus();
}

absl::Status StageLoop::Backward(Action action) {
  const auto in_flight = in_flight_.find({action.index, action.chunk});
  const int slot = in_flight->second.slot;
  const auto return_index =
      static_cast<int>(schedule_->GradientsUsed(state_.backwards) % ReturnCount());
  monitor_->OnBackward(versions_.OnBackward());
  absl::StatusOr<absl::Span<const std::byte>> gradient =
      compute_->Backward(action, slot, return_index);
  if (!gradient.ok()) return gradient.status();
  SendGradient(action, slot, *gradient);
  in_flight_.erase(in_flight);
  if (schedule_->SplitsBackward()) {
    half_done_slots_.emplace_back(slot, gradients_queued_);
  } else {
    leaving_slots_.push_back({slot, 0, gradients_queued_});
  }
  schedule_->Finish(action, state_);
  return absl::OkStatus();
}

absl::Status StageLoop::BackwardWeights(int64_t micro_batch) {
  const auto [slot, gradients_queued] = half_done_slots_.front();
  half_done_slots_.pop_front();
  if (absl::Status done = compute_->BackwardWeights(micro_batch, slot); !done.ok()) return done;
  leaving_slots_.push_back({slot, 0, gradients_queued});
  schedule_->Finish({ActionKind::kWeights, micro_batch}, state_);
  return absl::OkStatus();
}

absl::Status StageLoop::Step(int64_t update) {
  absl::StatusOr<StageCompute::StepResult> result = compute_->Step(update);
  if (!result.ok()) return result.status();
  versions_.OnStep(compute_->WeightSample());
  validation_loss_.reset();
  schedule_->Finish({ActionKind::kStep, update}, state_);
  monitor_->OnStep(result->learning_rate, result->gradient_norm, result->is_skipped,
                   result->poison);
  if (result->pipeline_norm > 0) {
    monitor_->OnPipelineNorm(result->pipeline_norm, result->pipeline_norm_age);
  }
  monitor_->OnMemory(compute_->policy_bytes(), compute_->peak_device_bytes());
  CountBytes();
  if (schedule_->is_last()) {
    v1::MetricPoint point = PointNow();
    if (result->loss) point.set_loss(*result->loss);
    point.set_learning_rate(result->learning_rate);
    monitor_->OnPoint(std::move(point));
  }
  return absl::OkStatus();
}

absl::Status StageLoop::Evaluate(Action action) {
  const int slot = TakePreparedSlot();
  absl::StatusOr<absl::Span<const std::byte>> output = compute_->Evaluate(action, slot);
  if (!output.ok()) return output.status();
  SendOutput(action, slot, *output);
  leaving_slots_.push_back({slot, outputs_queued_, 0});
  schedule_->Finish(action, state_);
  const ScheduleConfig& config = schedule_->config();
  const int64_t due = config.milestones.EvaluationsDue(state_.updates) * config.chunks;
  if (schedule_->is_last() && state_.evaluations == due) {
    v1::MetricPoint point = PointNow();
    validation_loss_ = compute_->TakeEvaluationLoss();
    point.set_validation_loss(*validation_loss_);
    monitor_->OnPoint(std::move(point));
  }
  return absl::OkStatus();
}

absl::Status StageLoop::Checkpoint() {
  std::optional<double> drift = monitor_->TakeDriftPerLag();
  if (drift) *drift *= schedule_->FullMeanLag();
  const absl::Status begun = checkpoints_.Begin({state_.updates, validation_loss_, drift});
  schedule_->Finish({ActionKind::kCheckpoint, state_.checkpoints}, state_);
  return begun;
}

void StageLoop::Replicate() {
  if (replicator_ == nullptr) return;
  replicator_->AfterUpdate(state_.updates);
  book_.Book(Activity::kCheckpoint);
}

v1::MetricPoint StageLoop::PointNow() const {
  v1::MetricPoint point;
  point.set_update(state_.updates);
  *point.mutable_time() = ToTimestamp(absl::Now());
  point.set_elapsed_seconds(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count());
  return point;
}

void StageLoop::PrepareInputs() {
  while (!slots_.IsEmpty()) {
    const std::optional<Action> next = schedule_->NextInput(prepared_);
    if (!next) return;
    ++(next->kind == ActionKind::kForward ? prepared_.forwards : prepared_.evaluations);
    const int slot = slots_.Take();
    prepared_slots_.push_back(slot);
    if (schedule_->TakesFrame(*next)) ReceiveInput(*next, slot);
  }
}

void StageLoop::ReceiveInput(Action action, int slot) {
  const bool is_training = action.kind == ActionKind::kForward;
  const FrameTag tag = TagOf(action, action.chunk);
  ReceiveTied(*channels_.activations_in, action, compute_->TiedInput(action, slot));
  channels_.activations_in->Receive(
      tag, compute_->Input(slot), [=, this](const absl::Status& status) {
        if (!status.ok()) return inbox_.Fail(status);
        spans_.AddInstant(SpanOfReceived(tag));
        inbox_.Update([=](Arrivals& arrivals) {
          ++(is_training ? arrivals.activations : arrivals.evaluation_activations);
        });
      });
}

void StageLoop::PostGradients() {
  while (posted_gradients_ < schedule_->GradientsUsed(state_.backwards) + ReturnCount()) {
    const std::optional<Action> next = schedule_->BackwardOfGradient(posted_gradients_);
    if (!next) return;
    const FrameTag tag = TagOf(*next, next->chunk);
    const auto return_index = static_cast<int>(posted_gradients_++ % ReturnCount());
    ReceiveTied(*channels_.gradients_in, *next, compute_->TiedOutputGradient(*next, return_index));
    channels_.gradients_in->Receive(
        tag, compute_->OutputGradient(return_index), [this, tag](const absl::Status& status) {
          if (!status.ok()) return inbox_.Fail(status);
          spans_.AddInstant(SpanOfReceived(tag));
          inbox_.Update([](Arrivals& arrivals) { ++arrivals.gradients; });
        });
  }
}

// Through before what it goes with is, so that nobody waits for it by itself.
void StageLoop::ReceiveTied(ReceiveChannel& channel, Action action,
                            const absl::StatusOr<absl::Span<std::byte>>& into) {
  const auto done = [this](const absl::Status& status) {
    if (!status.ok()) inbox_.Fail(status);
  };
  if (!into.ok()) return done(into.status());
  if (!into->empty()) channel.Receive(TiedTagOf(action), *into, done);
}

void StageLoop::SendTied(SendChannel& channel, Action action,
                         const absl::StatusOr<absl::Span<const std::byte>>& values) {
  const auto done = [this](const absl::Status& status) {
    if (!status.ok()) inbox_.Fail(status);
  };
  if (!values.ok()) return done(values.status());
  if (!values->empty()) channel.Send(TiedTagOf(action), *values, done);
}

void StageLoop::SendOutput(Action action, int slot, absl::Span<const std::byte> output) {
  if (!schedule_->MakesFrame(action)) return;
  SendTied(*channels_.activations_out, action, compute_->TiedOutput(action, slot));
  ++outputs_queued_;
  // From the last stage it goes round, into the next chunk of the first.
  const FrameTag tag = TagOf(action, action.chunk + (schedule_->is_last() ? 1 : 0));
  const auto queued = spans_.Now();
  channels_.activations_out->Send(tag, output, [this, tag, queued](const absl::Status& status) {
    if (!status.ok()) return inbox_.Fail(status);
    spans_.AddSince(queued, SpanOfSent(tag));
    inbox_.Update([](Arrivals& arrivals) { ++arrivals.outputs_sent; });
  });
}

void StageLoop::SendGradient(Action action, int slot, absl::Span<const std::byte> gradient) {
  if (!schedule_->MakesFrame(action)) return;
  SendTied(*channels_.gradients_out, action, compute_->TiedGradient(action, slot));
  ++gradients_queued_;
  const FrameTag tag = TagOf(action, action.chunk - (schedule_->is_first() ? 1 : 0));
  const auto queued = spans_.Now();
  channels_.gradients_out->Send(tag, gradient, [this, tag, queued](const absl::Status& status) {
    if (!status.ok()) return inbox_.Fail(status);
    spans_.AddSince(queued, SpanOfSent(tag));
    inbox_.Update([](Arrivals& arrivals) { ++arrivals.gradients_sent; });
  });
}

void StageLoop::CloseChannels(const absl::Status& reason) {
  if (channels_.activations_in) channels_.activations_in->Close(reason);
  if (channels_.activations_out) channels_.activations_out->Close(reason);
  if (channels_.gradients_in) channels_.gradients_in->Close(reason);
  if (channels_.gradients_out) channels_.gradients_out->Close(reason);
}

void StageLoop::CountBytes() {
  uint64_t sent = 0;
  uint64_t received = 0;
  if (channels_.activations_out) sent += channels_.activations_out->stats().payload_bytes;
  if (channels_.gradients_out) sent += channels_.gradients_out->stats().payload_bytes;
  if (channels_.activations_in) received += channels_.activations_in->stats().payload_bytes;
  if (channels_.gradients_in) received += channels_.gradients_in->stats().payload_bytes;
  monitor_->OnBytes(sent, received);
}

std::optional<Action> StageLoop::Awaited(Wait wait) const {
  switch (wait) {
    case Wait::kActivation:
    case Wait::kEvaluation:
      return schedule_->NextInput({state_.forwards, state_.evaluations});
    case Wait::kGradient:
      return schedule_->BackwardOfGradient(schedule_->GradientsUsed(state_.backwards));
    default:
      return std::nullopt;
  }
}

}  // namespace paci
