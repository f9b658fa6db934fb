// Optimizers and their corrections for lag against their definitions, in plain loops of double
// precision.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/schedule_config.h"
#include "tests/parity/small_job.h"
#include "worker/optimizer/adamw.h"
#include "worker/optimizer/lag_correction.h"
#include "worker/optimizer/learning_rate.h"
#include "worker/optimizer/lion.h"
#include "worker/optimizer/muon.h"
#include "worker/optimizer/soap.h"

namespace paci {
namespace {

using Numbers = std::vector<double>;

struct Matrix {
  int rows = 0;
  int columns = 0;
  Numbers values;  // row by row

  double& at(int i, int j) { return values[i * columns + j]; }
  double at(int i, int j) const { return values[i * columns + j]; }
};

Matrix Product(const Matrix& a, const Matrix& b) {
  Matrix product{a.rows, b.columns, Numbers(a.rows * b.columns, 0.0)};
  for (int i = 0; i < a.rows; ++i) {
    for (int j = 0; j < b.columns; ++j) {
      for (int k = 0; k < a.columns; ++k) product.at(i, j) += a.at(i, k) * b.at(k, j);
    }
  }
  return product;
}

Matrix Transposed(const Matrix& a) {
  Matrix transposed{a.columns, a.rows, Numbers(a.values.size())};
  for (int i = 0; i < a.rows; ++i) {
    for (int j = 0; j < a.columns; ++j) transposed.at(j, i) = a.at(i, j);
  }
  return transposed;
}

// p(X) = 3.4445 X - 4.7750 X X^T X + 2.0315 X X^T X X^T X, five times, without transposing.
Matrix Orthogonal(Matrix x) {
  double sum = 0;
  for (const double value : x.values) sum += value * value;
  for (double& value : x.values) value /= std::sqrt(sum);
  for (int step = 0; step < 5; ++step) {
    const Matrix cubed = Product(Product(x, Transposed(x)), x);
    const Matrix fifth = Product(Product(x, Transposed(x)), cubed);
    for (size_t i = 0; i < x.values.size(); ++i) {
      x.values[i] = 3.4445 * x.values[i] - 4.7750 * cubed.values[i] + 2.0315 * fifth.values[i];
    }
  }
  return x;
}

// Of element `i` in step `t`: no two alike, and nothing small.
double GradientAt(int parameter, int i, int t) {
  return std::sin(1.0 + 3 * parameter + 0.7 * i * (1 + i % 3) + 0.9 * t) + 0.1 * std::cos(i * t);
}

v1::OptimizerSpec SpecOf(const std::string& name) {
  v1::OptimizerSpec spec;
  spec.set_name(name);
  spec.set_beta1(0.9);
  spec.set_beta2(0.95);
  spec.set_eps(1e-3);
  spec.set_weight_decay(0.1);
  spec.set_momentum(0.95);
  spec.set_split_qkv(true);
  return spec;
}

Parameter ParameterOf(const std::string& name, const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  at::Tensor tensor = at::arange(count).to(at::kFloat).mul_(0.01).add_(0.5).view(shape).clone();
  return {name, tensor.set_requires_grad(true), shape.size() > 1};
}

Numbers ValuesOf(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().contiguous().to(at::kDouble).flatten();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

void SetGradients(const std::vector<Parameter>& parameters, int t) {
  for (size_t p = 0; p < parameters.size(); ++p) {
    at::Tensor gradient = at::empty(parameters[p].tensor.sizes(), at::kDouble);
    for (int i = 0; i < gradient.numel(); ++i) {
      gradient.data_ptr<double>()[i] = GradientAt(static_cast<int>(p), i, t);
    }
    parameters[p].tensor.mutable_grad() = gradient.to(at::kFloat);
  }
}

// d of a parameter in step t, from 1, whose gradient is `g`.
using DirectionOf = std::function<Numbers(const Numbers& g, int t)>;

DirectionOf AdamDirection() {
  return [m = Numbers(), v = Numbers()](const Numbers& g, int t) mutable {
    m.resize(g.size());
    v.resize(g.size());
    Numbers d(g.size());
    for (size_t i = 0; i < g.size(); ++i) {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      d[i] = m[i] / (1 - std::pow(0.9, t)) / (std::sqrt(v[i] / (1 - std::pow(0.95, t))) + 1e-3);
    }
    return d;
  };
}

DirectionOf LionDirection() {
  return [m = Numbers()](const Numbers& g, int) mutable {
    m.resize(g.size());
    Numbers d(g.size());
    for (size_t i = 0; i < g.size(); ++i) {
      d[i] = 0.9 * m[i] + 0.1 * g[i] > 0 ? 1 : -1;
      m[i] = 0.95 * m[i] + 0.05 * g[i];
    }
    return d;
  };
}

// Of `parts` matrices of [rows, columns] one below the other, with `lags[t - 1]` in step t.
DirectionOf MuonDirection(int parts, int rows, int columns, const Numbers& lags = Numbers(10, 0)) {
  return [=, m = Numbers(), before = Numbers()](const Numbers& g, int t) mutable {
    m.resize(g.size());
    before.resize(g.size());
    const double lag = lags[t - 1];
    const double mu = std::pow(0.95, 1 + lag);
    Numbers ahead(g.size());
    for (size_t i = 0; i < g.size(); ++i) {
      m[i] = mu * m[i] + (1 - mu) * g[i];
      const double u = m[i] + (1 - mu) * (1 + lag) * (g[i] - m[i]);
      ahead[i] = u + std::min(1.0, lag) * (u - before[i]);
      before[i] = u;
    }
    Numbers d;
    for (int part = 0; part < parts; ++part) {
      const auto begin = ahead.begin() + part * rows * columns;
      const Matrix x = Orthogonal({rows, columns, Numbers(begin, begin + rows * columns)});
      for (const double value : x.values) {
        d.push_back(0.2 * std::sqrt(std::max(rows, columns)) * value);
      }
    }
    return d;
  };
}

// What is stepped along in place of d_t, in step t from 1.
using CorrectionOf = std::function<Numbers(const Numbers& d, int t)>;

CorrectionOf Uncorrected() {
  return [](const Numbers& d, int) { return d; };
}

// d_t + min(1, tau) (d_t - d_{t-1})
CorrectionOf Extrapolated(const Numbers& lags) {
  return [lags, before = Numbers()](const Numbers& d, int t) mutable {
    before.resize(d.size());
    Numbers step(d.size());
    for (size_t i = 0; i < d.size(); ++i) {
      step[i] = d[i] + std::min(1.0, lags[t - 1]) * (d[i] - before[i]);
    }
    before = d;
    return step;
  };
}

// By the residual: r takes up tau times the change, and gives back 1 / (1 + tau) of itself. With a
// constant tau.
CorrectionOf FedBack(double lag) {
  return [lag, before = Numbers(), residual = Numbers()](const Numbers& d, int) mutable {
    before.resize(d.size());
    residual.resize(d.size());
    Numbers step(d.size());
    for (size_t i = 0; i < d.size(); ++i) {
      residual[i] += lag * (d[i] - before[i]);
      const double share = residual[i] / (1 + lag);
      step[i] = d[i] + share;
      residual[i] -= share;
    }
    before = d;
    return step;
  };
}

// Ten steps of `optimizer` beside the definition, for each parameter its direction.
void ExpectDefinition(Optimizer& optimizer, const std::vector<Parameter>& parameters,
                      std::vector<DirectionOf> directions, const CorrectionOf& correction) {
  std::vector<Numbers> weights;
  for (const Parameter& p : parameters) weights.push_back(ValuesOf(p.tensor));
  std::vector<CorrectionOf> corrections(parameters.size(), correction);
  for (int t = 1; t <= 10; ++t) {
    const double lr = 0.01 * t;
    SetGradients(parameters, t);
    const at::Tensor version = parameters[0].tensor;
    const auto counter = version._version();
    optimizer.Step(t - 1, lr);
    EXPECT_EQ(version._version(), counter) << "autograd would refuse a backward in flight";
    for (size_t p = 0; p < parameters.size(); ++p) {
      Numbers gradient(weights[p].size());
      for (size_t i = 0; i < gradient.size(); ++i) {
        gradient[i] = GradientAt(static_cast<int>(p), static_cast<int>(i), t);
      }
      const Numbers d = directions[p](gradient, t);
      const Numbers step = corrections[p](d, t);
      const double decay = parameters[p].decays ? 0.1 : 0;
      const Numbers now = ValuesOf(parameters[p].tensor);
      const Numbers direction = ValuesOf(optimizer.Direction(p));
      for (size_t i = 0; i < now.size(); ++i) {
        weights[p][i] = weights[p][i] * (1 - lr * decay) - lr * step[i];
        ASSERT_NEAR(now[i], weights[p][i], 5e-5) << parameters[p].name << " " << i << " at " << t;
        ASSERT_NEAR(direction[i], d[i], 2e-4) << parameters[p].name << " " << i << " at " << t;
      }
    }
  }
}

// A fused matrix, a wide and a tall one, and what goes with AdamW.
std::vector<Parameter> SomeOfAModel() {
  return {ParameterOf("transformer.h.0.attn.c_attn.weight", {9, 3}),
          ParameterOf("transformer.h.0.mlp.c_proj.weight", {3, 5}),
          ParameterOf("transformer.h.0.mlp.c_fc.weight", {6, 4}),
          ParameterOf("transformer.h.0.mlp.c_fc.bias", {6}),
          ParameterOf("transformer.wte.weight", {4, 3}),
          ParameterOf("lm_head.weight", {4, 3})};
}

std::vector<DirectionOf> DirectionsOfMuon(bool is_split, const Numbers& lags = Numbers(10, 0)) {
  return {is_split ? MuonDirection(3, 3, 3, lags) : MuonDirection(1, 9, 3, lags),
          MuonDirection(1, 3, 5, lags),
          MuonDirection(1, 6, 4, lags),
          AdamDirection(),
          AdamDirection(),
          AdamDirection()};
}

TEST(Muon, IsItsDefinitionForTheMatricesOfBlocksAndAdamWForTheRest) {
  for (const bool is_split : {true, false}) {
    SCOPED_TRACE(is_split);
    const std::vector<Parameter> parameters = SomeOfAModel();
    v1::OptimizerSpec spec = SpecOf("muon");
    spec.set_split_qkv(is_split);
    Muon optimizer(spec, parameters);
    ExpectDefinition(optimizer, parameters, DirectionsOfMuon(is_split), Uncorrected());
  }
}

const Numbers kLags = {0, 0.25, 0.25, 0, 0.5, 0.875, 1, 1.5, 7, 0};

// Without lag the plain definition of above, whose momentum is a mean and whose look is Nesterov's.
TEST(Muon, LooksAheadByItsLag) {
  for (const Numbers& lags : {kLags, Numbers(10, 0)}) {
    SCOPED_TRACE(lags.back());
    const std::vector<Parameter> parameters = SomeOfAModel();
    Muon optimizer(SpecOf("muon"), parameters, [&](int64_t update) { return lags[update]; });
    ExpectDefinition(optimizer, parameters, DirectionsOfMuon(true, lags), Uncorrected());
  }
}

Matrix MatrixOf(const at::Tensor& tensor) {
  return {static_cast<int>(tensor.size(0)), static_cast<int>(tensor.size(1)), ValuesOf(tensor)};
}

Matrix Identity(int size) {
  Matrix identity{size, size, Numbers(size * size, 0.0)};
  for (int i = 0; i < size; ++i) identity.at(i, i) = 1;
  return identity;
}

void ExpectNear(const Matrix& a, const Matrix& b, double bound) {
  ASSERT_EQ(a.values.size(), b.values.size());
  for (size_t i = 0; i < a.values.size(); ++i) ASSERT_NEAR(a.values[i], b.values[i], bound) << i;
}

// A basis that Soap keeps, after each of its steps, beside the covariance that it should have.
struct ExpectedSide {
  Matrix covariance;
  Matrix basis;

  void Check(const Matrix& product, const Matrix& its_covariance, const Matrix& its_basis, int t) {
    if (t == 1) covariance = {product.rows, product.rows, Numbers(product.values.size(), 0.0)};
    for (size_t i = 0; i < product.values.size(); ++i) {
      covariance.values[i] = 0.95 * covariance.values[i] + 0.05 * product.values[i];
    }
    ExpectNear(its_covariance, covariance, 1e-5);
    ExpectNear(Product(Transposed(its_basis), its_basis), Identity(product.rows), 1e-5);
    if (t == 1) {
      ExpectEigenvectors(its_basis);
    } else if (t % 3 == 1) {
      ExpectTurned(its_basis);
    } else {
      ExpectNear(its_basis, basis, 0);
    }
    basis = its_basis;
  }

  void ExpectEigenvectors(const Matrix& its_basis) const {
    const Matrix diagonal = Product(Transposed(its_basis), Product(covariance, its_basis));
    for (int i = 0; i < diagonal.rows; ++i) {
      for (int j = 0; j < diagonal.columns; ++j) {
        if (i != j) {
          ASSERT_NEAR(diagonal.at(i, j), 0, 1e-5);
        }
      }
      if (i > 0) {
        ASSERT_LE(diagonal.at(i, i), diagonal.at(i - 1, i - 1) + 1e-6);
      }
    }
  }

  // Of covariance times the basis before: what is left is an upper triangle.
  void ExpectTurned(const Matrix& its_basis) const {
    const Matrix rest = Product(Transposed(its_basis), Product(covariance, basis));
    for (int i = 0; i < rest.rows; ++i) {
      for (int j = 0; j < i; ++j) ASSERT_NEAR(rest.at(i, j), 0, 1e-5) << i << " " << j;
    }
    double change = 0;
    for (size_t i = 0; i < basis.values.size(); ++i) {
      change = std::max(change, std::abs(basis.values[i] - its_basis.values[i]));
    }
    EXPECT_GT(change, 1e-4) << "it did not turn";
  }
};

// A matrix of [rows, columns], of which the sides up to `limit` are turned.
void ExpectSoap(int rows, int columns, int limit) {
  SCOPED_TRACE(absl::StrCat(rows, " x ", columns, ", up to ", limit));
  const bool turns_left = rows <= limit, turns_right = columns <= limit;
  v1::OptimizerSpec spec = SpecOf("soap");
  spec.set_rotation_every(3);
  spec.set_rotation_limit(limit);
  const std::vector<Parameter> parameters = {ParameterOf("m.weight", {rows, columns})};
  Soap optimizer(spec, parameters);
  ExpectedSide left, right;
  Matrix m{rows, columns, Numbers(rows * columns, 0.0)}, v = m;
  Matrix weights{rows, columns, ValuesOf(parameters[0].tensor)};
  for (int t = 1; t <= 10; ++t) {
    SetGradients(parameters, t);
    optimizer.Step(t - 1, 0.01);
    std::map<std::string, at::Tensor> state;
    for (const auto& [name, tensor] : optimizer.State(0)) state[name] = tensor;
    ASSERT_EQ(state.size(), 3u + (turns_left ? 2 : 0) + (turns_right ? 2 : 0));
    const auto kept = [&](const char* name) { return MatrixOf(state[name][0]); };
    const Matrix g{rows, columns, ValuesOf(parameters[0].tensor.grad())};
    if (turns_left) {
      left.Check(Product(g, Transposed(g)), kept("left_covariance"), kept("left_basis"), t);
    } else {
      left.basis = Identity(rows);
    }
    if (turns_right) {
      right.Check(Product(Transposed(g), g), kept("right_covariance"), kept("right_basis"), t);
    } else {
      right.basis = Identity(columns);
    }
    const auto turned = [&](const Matrix& x) {
      return Product(Product(Transposed(left.basis), x), right.basis);
    };
    for (size_t i = 0; i < m.values.size(); ++i) {
      m.values[i] = 0.9 * m.values[i] + 0.1 * g.values[i];
      v.values[i] = 0.95 * v.values[i] + 0.05 * std::pow(turned(g).values[i], 2);
    }
    Matrix d = turned(m);
    for (size_t i = 0; i < d.values.size(); ++i) {
      d.values[i] = d.values[i] / (1 - std::pow(0.9, t)) /
                    (std::sqrt(v.values[i] / (1 - std::pow(0.95, t))) + 1e-3);
    }
    d = Product(Product(left.basis, d), Transposed(right.basis));
    for (size_t i = 0; i < d.values.size(); ++i) {
      weights.values[i] -= 0.01 * (0.1 * weights.values[i] + d.values[i]);
    }
    ExpectNear(MatrixOf(optimizer.Direction(0)), d, 2e-4);
    ExpectNear(MatrixOf(parameters[0].tensor.detach()), weights, 5e-5);
  }
}

TEST(Soap, IsAdamInABasisThatFollowsTheEigenvectorsOfItsCovariances) {
  ExpectSoap(3, 3, /*limit=*/3);
  ExpectSoap(5, 3, /*limit=*/100);
  ExpectSoap(3, 6, /*limit=*/5);
  ExpectSoap(6, 3, /*limit=*/3);
  ExpectSoap(3, 5, /*limit=*/0);
}

// Each of three fused matrices as if it were alone; what is no matrix of a block goes with AdamW.
TEST(Soap, TurnsEachOfFusedMatricesByItself) {
  v1::OptimizerSpec spec = SpecOf("soap");
  spec.set_rotation_every(3);
  spec.set_rotation_limit(100);
  const std::vector<Parameter> fused = {ParameterOf("transformer.h.0.attn.c_attn.weight", {9, 3}),
                                        ParameterOf("transformer.wte.weight", {4, 3})};
  std::vector<Parameter> apart;
  for (int part = 0; part < 3; ++part) apart.push_back(ParameterOf("m.weight", {3, 3}));
  Soap together(spec, fused), by_itself(spec, apart);
  for (int t = 1; t <= 6; ++t) {
    SetGradients(fused, t);
    for (int part = 0; part < 3; ++part) {
      apart[part].tensor.mutable_grad() = fused[0].tensor.grad().narrow(0, 3 * part, 3).clone();
    }
    together.Step(t - 1, 0.01);
    by_itself.Step(t - 1, 0.01);
    for (int part = 0; part < 3; ++part) {
      ExpectNear(MatrixOf(together.Direction(0).narrow(0, 3 * part, 3)),
                 MatrixOf(by_itself.Direction(part)), 1e-5);
    }
    EXPECT_EQ(together.State(1).size(), 3u);
  }
}

TEST(Lion, IsItsDefinition) {
  const std::vector<Parameter> parameters = {ParameterOf("w", {3, 4}), ParameterOf("b", {5})};
  Lion optimizer(SpecOf("lion"), parameters);
  ExpectDefinition(optimizer, parameters, {LionDirection(), LionDirection()}, Uncorrected());
}

TEST(LagCorrection, ExtrapolatesAnyOptimizerByItsMeanLagButByNoMoreThanOneChange) {
  const LagOf lag_of = [](int64_t update) { return kLags[update]; };
  std::vector<Parameter> parameters = SomeOfAModel();
  LagCorrected muon(std::make_unique<Muon>(SpecOf("muon"), parameters), parameters,
                    v1::LAG_CORRECTION_EXTRAPOLATE, lag_of);
  ExpectDefinition(muon, parameters, DirectionsOfMuon(true), Extrapolated(kLags));
  parameters = {ParameterOf("w", {3, 4}), ParameterOf("b", {5})};
  LagCorrected adamw(std::make_unique<AdamW>(SpecOf("adamw"), parameters), parameters,
                     v1::LAG_CORRECTION_EXTRAPOLATE, lag_of);
  ExpectDefinition(adamw, parameters, {AdamDirection(), AdamDirection()}, Extrapolated(kLags));
}

TEST(LagCorrection, FeedsTheErrorBackOverAsManyUpdatesAsItTook) {
  for (const double lag : {0.5, 1.0, 3.0}) {
    SCOPED_TRACE(lag);
    const std::vector<Parameter> parameters = {ParameterOf("w", {3, 4}), ParameterOf("b", {5})};
    LagCorrected optimizer(std::make_unique<AdamW>(SpecOf("adamw"), parameters), parameters,
                           v1::LAG_CORRECTION_ERROR_FEEDBACK, [=](int64_t) { return lag; });
    ExpectDefinition(optimizer, parameters, {AdamDirection(), AdamDirection()}, FedBack(lag));
  }
}

// One weight at the first of three stages with a = 1, under Lion without memory, whose direction is
// the gradient's sign: where it is after each of the gradients 1, -1, -1, from 10 at a rate of 0.5.
Numbers WithSigns(const std::function<void(v1::JobSpec&)>& change, int64_t stage = 0) {
  v1::JobSpec spec;
  spec.mutable_pipeline()->set_schedule("paci");
  spec.mutable_pipeline()->set_stages(3);
  spec.mutable_pipeline()->set_accumulation(1);
  spec.mutable_train()->set_updates(10);
  *spec.mutable_optimizer() = SpecOf("lion");
  spec.mutable_optimizer()->set_beta1(0);
  spec.mutable_optimizer()->set_lag_correction(v1::LAG_CORRECTION_EXTRAPOLATE);
  spec.mutable_optimizer()->set_lag_correction_strength(1);
  change(spec);
  const std::vector<Parameter> parameters = {
      {"w", at::full({1}, 10.0).to(at::kFloat).set_requires_grad(true), false}};
  const auto schedule = MakeSchedule(ScheduleConfigOf(spec), stage);
  const auto optimizer = MakeOptimizer(spec, *schedule, parameters);
  Numbers places;
  const float signs[] = {1, -1, -1};
  for (int64_t update = 0; update < 3; ++update) {
    parameters[0].tensor.mutable_grad() = at::full({1}, signs[update]);
    optimizer->Step(update, 0.5);
    places.push_back(parameters[0].tensor.item<double>());
  }
  return places;
}

// Lags 0, 1, 2 in the first three updates of stage 0, none at the last stage.
TEST(MakeOptimizer, CorrectsForTheLagOfItsStageAndUpdate) {
  const auto set = [](v1::LagCorrection correction) {
    return [=](v1::JobSpec& spec) { spec.mutable_optimizer()->set_lag_correction(correction); };
  };
  EXPECT_EQ(WithSigns(set(v1::LAG_CORRECTION_NONE)), (Numbers{9.5, 10, 10.5}));
  EXPECT_EQ(WithSigns(set(v1::LAG_CORRECTION_EXTRAPOLATE)), (Numbers{9.5, 11, 11.5}));
  EXPECT_EQ(WithSigns(set(v1::LAG_CORRECTION_AUTO)), (Numbers{9.5, 11, 11.5}));
  EXPECT_EQ(WithSigns(set(v1::LAG_CORRECTION_EXTRAPOLATE), 2), (Numbers{9.5, 10, 10.5}));
  const Numbers fed_back = WithSigns(set(v1::LAG_CORRECTION_ERROR_FEEDBACK));
  // Half of the change of -2 at once, and of the other half, with a lag of 2, two thirds.
  EXPECT_NEAR(fed_back[1], 10 + 0.5 * 1, 1e-5);
  EXPECT_NEAR(fed_back[2], 10.5 + 0.5 + 0.5 * 2 / 3, 1e-5);
}

TEST(MakeOptimizer, TakesStrengthFlushesAndAlwaysIntoAccount) {
  EXPECT_EQ(WithSigns([](v1::JobSpec& spec) {
              spec.mutable_optimizer()->set_lag_correction_strength(0.5);
            }),
            (Numbers{9.5, 10.5, 11}));
  const auto flush = [](v1::JobSpec& spec) { spec.mutable_pipeline()->set_schedule("1f1b"); };
  const auto flush_first = [](v1::JobSpec& spec) { spec.mutable_pipeline()->set_flush_first(2); };
  EXPECT_EQ(WithSigns(flush), (Numbers{9.5, 10, 10.5}));
  EXPECT_EQ(WithSigns(flush_first), (Numbers{9.5, 10, 10.5}));
  for (const auto& change :
       {std::function<void(v1::JobSpec&)>(flush), std::function<void(v1::JobSpec&)>(flush_first)}) {
    EXPECT_EQ(WithSigns([&](v1::JobSpec& spec) {
                change(spec);
                spec.mutable_optimizer()->set_lag_correction_always(true);
              }),
              (Numbers{9.5, 11, 11.5}));
  }
}

TEST(LagScale, LowersTheLearningRateOfAStageThatLags) {
  v1::OptimizerSpec spec;
  EXPECT_EQ(LagScale(spec, 3), 1);
  spec.set_lag_lr(0.5);
  EXPECT_EQ(LagScale(spec, 0), 1);
  EXPECT_DOUBLE_EQ(LagScale(spec, 3), 0.5);
}

// The learning rate that a running stage reports.
TEST(LagScale, IsOfTheStageAndUpdate) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "paci", 2);
  spec.mutable_optimizer()->set_lag_lr(1);
  spec.mutable_train()->set_eval_every(0);
  const RunResult run = Train(spec, {2, 1, 1, 1});
  const double last = run.stages[3].learning_rate();
  EXPECT_DOUBLE_EQ(run.stages[0].learning_rate(), last / 2.5);
  EXPECT_DOUBLE_EQ(run.stages[1].learning_rate(), last / 2);
  spec.mutable_pipeline()->set_flush_last(1);
  EXPECT_DOUBLE_EQ(Train(spec, {2, 1, 1, 1}).stages[0].learning_rate(), last);
}

}  // namespace
}  // namespace paci
