#pragma once

// What the units of every family are made of.

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "paci/v1/job.pb.h"
#include "worker/model/model.h"

namespace paci {

inline constexpr double kInitialDeviation = 0.02;

// Of projections into the residual stream, of which there are two a block.
double ResidualDeviation(const v1::ModelSpec& model);

// Makes the parameters of one unit, each from a stream of random numbers of its own.
class Initializer {
 public:
  Initializer(std::vector<Parameter>* parameters, std::string prefix, uint64_t seed, uint32_t unit)
      : parameters_(parameters), prefix_(std::move(prefix)), seed_(seed), unit_(unit) {}

  at::Tensor Matrix(const std::string& name, int64_t rows, int64_t columns,
                    double deviation = kInitialDeviation);
  at::Tensor Vector(const std::string& name, int64_t size, float value);

 private:
  at::Tensor Add(const std::string& name, at::Tensor tensor, bool decays);

  std::vector<Parameter>* const parameters_;
  const std::string prefix_;
  const uint64_t seed_;
  const uint32_t unit_;
};

// x [..., in] by `weight` [out, in], plus `bias` [out] if it is defined. With `deferred` its
// backward leaves the gradients of both there.
at::Tensor Project(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                   DeferredGradients* deferred);

// Drops elements by a generator of its own: LibTorch's dropout draws from one that all threads of a
// process share, which would make a stage's bits depend on its neighbours'.
class Dropout {
 public:
  Dropout(double probability, std::optional<uint64_t> seed, at::Device device);

  bool is_on() const { return generator_.has_value(); }
  at::Tensor operator()(const at::Tensor& x);

 private:
  const double probability_;
  std::optional<at::Generator> generator_;
};

// Causal attention of q [micro_batch, heads, length, width] to k and v [micro_batch, kv_heads,
// length, width], each head of which serves heads / kv_heads of q's -> [micro_batch, length, heads
// * width].
at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     Dropout& dropout);

// What a tied head scores with until the embedding's matrix takes its place: zeros.
Parameter CopyOfEmbedding(const v1::ModelSpec& model);

// The last unit: a norm, which the family makes under `norm_name`, and the scores of the
// vocabulary.
template <typename Norm>
class Head final : public ModelUnit {
 public:
  Head(const v1::ModelSpec& model, uint32_t unit, uint64_t seed, const char* norm_name)
      : make_(&parameters_, "", seed, unit), norm_(make_, norm_name, model) {
    if (model.tied_head()) {
      copy_ = CopyOfEmbedding(model);
    } else {
      weight_ = make_.Matrix("lm_head.weight", model.vocabulary(), model.hidden());
    }
  }

  at::Tensor Forward(const at::Tensor& input, const ForwardOptions& options) override {
    return Project(norm_(input), copy_ ? copy_->tensor : weight_, /*bias=*/{}, options.deferred);
  }
  Parameter* shared() override { return copy_ ? &*copy_ : nullptr; }
  void MoveTo(at::Device device, at::ScalarType type) override {
    ModelUnit::MoveTo(device, type);
    if (copy_) copy_->MoveTo(device, type);
  }

 private:
  Initializer make_;
  const Norm norm_;
  at::Tensor weight_;              // [vocabulary, hidden]; undefined if the head is tied
  std::optional<Parameter> copy_;  // the same; has a value if the head is tied
};

}  // namespace paci
