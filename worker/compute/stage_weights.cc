#include "worker/compute/stage_weights.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "worker/optimizer/learning_rate.h"

namespace paci {
namespace {

using Values = std::vector<at::Tensor>;  // one a parameter

Values DataOf(const std::vector<Parameter>& parameters) {
  Values weights;
  weights.reserve(parameters.size());
  for (const Parameter& p : parameters) weights.push_back(p.tensor.variable_data());
  return weights;
}

Values EmptyLike(const Values& weights) {
  Values values;
  values.reserve(weights.size());
  for (const at::Tensor& w : weights) values.push_back(at::empty_like(w));
  return values;
}

void Copy(const Values& to, const Values& from) {
  for (size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
}

// Tensor by tensor, so that no third copy of all is needed.
void Exchange(const Values& a, const Values& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    const at::Tensor kept = a[i].clone();
    a[i].copy_(b[i]);
    b[i].copy_(kept);
  }
}

uint64_t BytesOf(const Values& values) {
  uint64_t bytes = 0;
  for (const at::Tensor& value : values) bytes += value.nbytes();
  return bytes;
}

class Current final : public StageWeights {
 public:
  void Forward(int64_t, const Pass& pass) override { pass(); }
  void Backward(int64_t, const Pass& pass) override { pass(); }
  void Step(int64_t, const Pass& step) override { step(); }
  uint64_t bytes() const override { return 0; }
};

// What the others share: the weights, the updates done, and running a pass on other values.
class Policy : public StageWeights {
 public:
  Policy(const ScheduleConfig& config, const std::vector<Parameter>& parameters)
      : accumulation_(config.accumulation),
        weights_(DataOf(parameters)),
        updates_(config.first_update) {}

  void Forward(int64_t, const Pass& pass) override { pass(); }
  void Backward(int64_t, const Pass& pass) override { pass(); }
  void Step(int64_t update, const Pass& step) override {
    const at::NoGradGuard no_grad;
    BeforeStep();
    step();
    updates_ = update + 1;
    AfterStep();
  }

 protected:
  virtual void BeforeStep() {}
  virtual void AfterStep() {}

  void RunOn(const Values& values, const Pass& pass) {
    const auto exchange = [&] {
      const at::NoGradGuard no_grad;
      Exchange(weights_, values);
    };
    exchange();
    pass();
    exchange();
  }
  int64_t UpdateOf(int64_t micro_batch) const { return micro_batch / accumulation_; }

  const int64_t accumulation_;
  const Values weights_;
  int64_t updates_;
};

class Stash final : public Policy {
 public:
  using Policy::Policy;

  void Forward(int64_t, const Pass& pass) override {
    in_flight_.push_back(updates_);
    pass();
  }
  void Backward(int64_t, const Pass& pass) override {
    const int64_t version = in_flight_.front();
    in_flight_.pop_front();
    if (version == updates_) {
      pass();
    } else {
      RunOn(kept_[version - oldest_kept_], pass);
    }
    const int64_t oldest_used = in_flight_.empty() ? updates_ : in_flight_.front();
    for (; oldest_kept_ < oldest_used && !kept_.empty(); ++oldest_kept_) kept_.pop_front();
  }
  uint64_t bytes() const override {
    uint64_t bytes = 0;
    for (const Values& values : kept_) bytes += BytesOf(values);
    return bytes;
  }

 protected:
  void BeforeStep() override {
    if (in_flight_.empty()) return;
    if (kept_.empty()) oldest_kept_ = updates_;
    kept_.push_back(EmptyLike(weights_));
    Copy(kept_.back(), weights_);
  }

 private:
  std::deque<int64_t> in_flight_;  // versions of the micro-batches in flight
  std::deque<Values> kept_;        // versions oldest_kept_ and on, the present one excepted
  int64_t oldest_kept_ = 0;
};

class DoubleBuffer final : public Policy {
 public:
  DoubleBuffer(const ScheduleConfig& config, const std::vector<Parameter>& parameters)
      : Policy(config, parameters), previous_(EmptyLike(weights_)) {}

  void Forward(int64_t micro_batch, const Pass& pass) override { Run(micro_batch, pass); }
  void Backward(int64_t micro_batch, const Pass& pass) override { Run(micro_batch, pass); }
  uint64_t bytes() const override { return BytesOf(previous_); }
  std::vector<std::pair<std::string, Values>> State() const override {
    return {{"previous", previous_}};
  }

 protected:
  void BeforeStep() override { Copy(previous_, weights_); }

 private:
  void Run(int64_t micro_batch, const Pass& pass) {
    const int64_t version =
        ForwardVersion(WeightPolicy::kDoubleBuffer, accumulation_, micro_batch, updates_);
    version == updates_ ? pass() : RunOn(previous_, pass);
  }

  const Values previous_;
};

class Predicted final : public Policy {
 public:
  // `backward_horizon`: updates that a backward predicts, and its forward beyond that.
  Predicted(const v1::JobSpec& spec, const ScheduleConfig& config,
            const std::vector<Parameter>& parameters, const Optimizer* optimizer,
            int64_t backward_horizon)
      : Policy(config, parameters),
        spec_(spec),
        optimizer_(optimizer),
        backward_horizon_(backward_horizon),
        predicted_(EmptyLike(weights_)) {}

  void Forward(int64_t micro_batch, const Pass& pass) override {
    Run(UpdateOf(micro_batch) - updates_ + backward_horizon_, pass);
  }
  void Backward(int64_t, const Pass& pass) override { Run(backward_horizon_, pass); }
  uint64_t bytes() const override { return BytesOf(predicted_); }

 private:
  void Run(int64_t horizon, const Pass& pass) {
    if (horizon == 0 || updates_ == 0) return pass();
    const std::pair<int64_t, int64_t> wanted = {updates_, horizon};
    if (prediction_ != wanted) {
      const at::NoGradGuard no_grad;
      const double step = LearningRateAt(spec_, updates_) * static_cast<double>(horizon);
      for (size_t i = 0; i < weights_.size(); ++i) {
        predicted_[i].copy_(weights_[i]).sub_(optimizer_->Direction(i), step);
      }
      prediction_ = wanted;
    }
    RunOn(predicted_, pass);
  }

  const v1::JobSpec spec_;
  const Optimizer* const optimizer_;
  const int64_t backward_horizon_;
  const Values predicted_;
  std::pair<int64_t, int64_t> prediction_ = {-1, 0};  // what predicted_ holds: (updates, horizon)
};

class Corrected final : public Policy {
 public:
  // `delay`: updates, on average, between a forward and its backward at this stage.
  Corrected(const v1::JobSpec& spec, const ScheduleConfig& config,
            const std::vector<Parameter>& parameters, double delay)
      : Policy(config, parameters),
        rescale_updates_(spec.optimizer().rescale_updates()),
        delay_(delay),
        decay_(delay > 0 ? std::pow(spec.optimizer().correction_decay(), 1 / delay) : 0),
        velocity_(EmptyLike(weights_)),
        estimate_(EmptyLike(weights_)) {
    for (const at::Tensor& v : velocity_) v.zero_();
  }

  void Forward(int64_t, const Pass& pass) override {
    in_flight_.push_back(updates_);
    pass();
  }
  void Backward(int64_t, const Pass& pass) override {
    const int64_t lag = updates_ - in_flight_.front();
    in_flight_.pop_front();
    if (lag == 0) return pass();
    {
      const at::NoGradGuard no_grad;
      for (size_t i = 0; i < weights_.size(); ++i) {
        estimate_[i].copy_(weights_[i]).sub_(velocity_[i], static_cast<double>(lag));
      }
    }
    RunOn(estimate_, pass);
  }
  double LearningRateScale(int64_t update) const override {
    const double risen =
        std::min(1.0, static_cast<double>(update) / static_cast<double>(rescale_updates_));
    return std::pow(std::max(1.0, delay_), risen - 1);
  }
  uint64_t bytes() const override { return BytesOf(velocity_) + BytesOf(estimate_); }
  std::vector<std::pair<std::string, Values>> State() const override {
    return {{"velocity", velocity_}};
  }

 protected:
  void BeforeStep() override { Copy(estimate_, weights_); }
  void AfterStep() override {
    for (size_t i = 0; i < weights_.size(); ++i) {
      velocity_[i].mul_(decay_).add_(weights_[i] - estimate_[i], 1 - decay_);
    }
  }

 private:
  const int64_t rescale_updates_;
  const double delay_;
  const double decay_;
  const Values velocity_;  // running mean of the weights' change per update
  const Values estimate_;
  std::deque<int64_t> in_flight_;  // updates done at the forwards of those in flight
};

}  // namespace

std::unique_ptr<StageWeights> MakeStageWeights(const v1::JobSpec& spec, const Schedule& schedule,
                                               const std::vector<Parameter>& parameters,
                                               const Optimizer* optimizer) {
  const ScheduleConfig& config = schedule.config();
  const int64_t a = config.accumulation;
  switch (config.weights) {
    case WeightPolicy::kCurrent:
    case WeightPolicy::kNesterov:
      break;
    case WeightPolicy::kStash:
      return std::make_unique<Stash>(config, parameters);
    case WeightPolicy::kDoubleBuffer:
      return std::make_unique<DoubleBuffer>(config, parameters);
    case WeightPolicy::kPredict:
      return std::make_unique<Predicted>(spec, config, parameters, optimizer, 0);
    case WeightPolicy::kPredictBoth:
      return std::make_unique<Predicted>(spec, config, parameters, optimizer,
                                         schedule.stage() / 2 / a);
    case WeightPolicy::kCorrect: {
      const double delay = static_cast<double>(schedule.InFlightCap() - 1) / static_cast<double>(a);
      return std::make_unique<Corrected>(spec, config, parameters, delay);
    }
  }
  return std::make_unique<Current>();
}

}  // namespace paci
