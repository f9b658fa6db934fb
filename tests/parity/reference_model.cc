#include "tests/parity/reference_model.h"

#include <ATen/Parallel.h>
#include <torch/optim/adamw.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <vector>

#include "absl/strings/str_cat.h"
#include "worker/data/batch_source.h"

namespace paci {
namespace {

using torch::Tensor;

class ReferenceModel {
 public:
  ReferenceModel(const v1::ModelSpec& model, const Weights& forward, const Weights& backward)
      : model_(model), forward_(forward), backward_(backward) {}

  Tensor Logits(const Tensor& ids) const {
    return model_.family() == v1::MODEL_FAMILY_LLAMA ? Llama(ids) : Gpt2(ids);
  }

 private:
  Tensor Gpt2(const Tensor& ids) const {
    Tensor x = Embedding(ids);
    for (uint32_t i = 0; i < model_.layers(); ++i) {
      const std::string block = absl::StrCat("transformer.h.", i, ".");
      x = x + Linear(block + "attn.c_proj",
                     Attention(Linear(block + "attn.c_attn", Norm(block + "ln_1", x))));
      x = x +
          Linear(block + "mlp.c_proj", Gelu(Linear(block + "mlp.c_fc", Norm(block + "ln_2", x))));
    }
    return Mix([&](const Weights& w) {
      return torch::matmul(Norm("transformer.ln_f", x), w.at("lm_head.weight").t());
    });
  }

  Tensor Llama(const Tensor& ids) const {
    Tensor x = Mix([&](const Weights& w) {
      return w.at("model.embed_tokens.weight")
          .index_select(0, ids.flatten())
          .view({ids.size(0), ids.size(1), -1});
    });
    for (uint32_t i = 0; i < model_.layers(); ++i) {
      const std::string block = absl::StrCat("model.layers.", i, ".");
      x = x + Matrix(block + "self_attn.o_proj",
                     SharedAttention(block + "self_attn.",
                                     MeanSquareNorm(block + "input_layernorm", x)));
      const Tensor normal = MeanSquareNorm(block + "post_attention_layernorm", x);
      const Tensor gate = Matrix(block + "mlp.gate_proj", normal);
      x = x + Matrix(block + "mlp.down_proj",
                     gate * torch::sigmoid(gate) * Matrix(block + "mlp.up_proj", normal));
    }
    return Matrix("lm_head", MeanSquareNorm("model.norm", x));
  }

  Tensor Matrix(const std::string& name, const Tensor& x) const {
    return Mix([&](const Weights& w) { return torch::matmul(x, w.at(name + ".weight").t()); });
  }

  Tensor MeanSquareNorm(const std::string& name, const Tensor& x) const {
    const Tensor normal = x / torch::sqrt(x.square().mean(-1, true) + model_.norm_epsilon());
    return Mix([&](const Weights& w) { return normal * w.at(name + ".weight"); });
  }

  // Each head by itself, and each position of it turned by a complex number.
  Tensor SharedAttention(const std::string& name, const Tensor& x) const {
    const int64_t width = model_.hidden() / model_.heads();
    const Tensor q = Matrix(name + "q_proj", x), k = Matrix(name + "k_proj", x),
                 v = Matrix(name + "v_proj", x);
    const Tensor future = torch::ones({x.size(1), x.size(1)}, torch::kBool).triu(1);
    const auto head = [&](const Tensor& all, int64_t i) {
      return all.slice(2, i * width, (i + 1) * width);
    };
    std::vector<Tensor> mixed;
    for (int64_t i = 0; i < model_.heads(); ++i) {
      const int64_t shared = i * model_.kv_heads() / model_.heads();
      const Tensor scores =
          torch::matmul(Turned(head(q, i)), Turned(head(k, shared)).transpose(1, 2)) /
          std::sqrt(width);
      const Tensor shares =
          torch::softmax(scores.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
      mixed.push_back(torch::matmul(shares, head(v, shared)));
    }
    return torch::cat(mixed, 2);
  }

  // x [micro_batch, length, width]: the pair (i, i + width / 2) is a complex number.
  Tensor Turned(const Tensor& x) const {
    const int64_t half = x.size(2) / 2;
    const Tensor positions = torch::arange(x.size(1), torch::kDouble);
    Tensor rates =
        torch::exp(-std::log(model_.rope_theta()) * torch::arange(half, torch::kDouble) / half);
    for (int64_t i = 0; i < half; ++i) rates[i] = Scaled(rates[i].item<double>());
    const Tensor angles = torch::outer(positions, rates);
    const Tensor turn = torch::polar(torch::ones_like(angles), angles).to(torch::kComplexFloat);
    const Tensor turned = torch::complex(x.slice(2, 0, half), x.slice(2, half, 2 * half)) * turn;
    return torch::cat({torch::real(turned), torch::imag(turned)}, 2);
  }

  // As the description of Llama 3.1 has it, by wavelengths.
  double Scaled(double rate) const {
    const double factor = model_.rope_factor();
    if (factor <= 1) return rate;
    const double wavelength = 2 * M_PI / rate;
    const double length = model_.rope_original_context();
    const double low = model_.rope_low_frequency(), high = model_.rope_high_frequency();
    if (wavelength < length / high) return rate;
    if (wavelength > length / low) return rate / factor;
    const double smooth = (length / wavelength - low) / (high - low);
    return (1 - smooth) * rate / factor + smooth * rate;
  }

  // The value that `layer` has with the forward's weights, the derivative that it has with the
  // backward's: the difference below is zero, but not for autograd.
  Tensor Mix(const std::function<Tensor(const Weights&)>& layer) const {
    const Tensor with_gradient = layer(backward_);
    return layer(forward_).detach() + (with_gradient - with_gradient.detach());
  }

  Tensor Embedding(const Tensor& ids) const {
    return Mix([&](const Weights& w) {
      const Tensor rows = w.at("transformer.wte.weight").index_select(0, ids.flatten());
      const Tensor positions = w.at("transformer.wpe.weight").slice(0, 0, ids.size(1));
      return rows.view({ids.size(0), ids.size(1), -1}) + positions;
    });
  }

  Tensor Linear(const std::string& name, const Tensor& x) const {
    return Mix([&](const Weights& w) {
      return torch::matmul(x, w.at(name + ".weight").t()) + w.at(name + ".bias");
    });
  }

  Tensor Norm(const std::string& name, const Tensor& x) const {
    const Tensor centred = x - x.mean(-1, true);
    const Tensor normal = centred / torch::sqrt(centred.square().mean(-1, true) + 1e-5);
    return Mix(
        [&](const Weights& w) { return normal * w.at(name + ".weight") + w.at(name + ".bias"); });
  }

  Tensor Attention(const Tensor& qkv) const {
    const int64_t batch = qkv.size(0), context = qkv.size(1), hidden = qkv.size(2) / 3;
    const int64_t width = hidden / model_.heads();
    const auto heads = [&](int64_t part) {
      return qkv.slice(2, part * hidden, (part + 1) * hidden)
          .view({batch, context, model_.heads(), width})
          .transpose(1, 2);
    };
    const Tensor future = torch::ones({context, context}, torch::kBool).triu(1);
    const Tensor scores = torch::matmul(heads(0), heads(1).transpose(2, 3)) / std::sqrt(width);
    const Tensor shares =
        torch::softmax(scores.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
    return torch::matmul(shares, heads(2)).transpose(1, 2).reshape({batch, context, hidden});
  }

  static Tensor Gelu(const Tensor& x) {
    return 0.5 * x * (1 + torch::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x.pow(3))));
  }

  const v1::ModelSpec& model_;
  const Weights& forward_;
  const Weights& backward_;
};

// Linear warm-up, then a cosine to the floor, by number of the update from 1.
double LearningRate(const v1::JobSpec& spec, double number) {
  const v1::OptimizerSpec& o = spec.optimizer();
  if (number <= o.warmup_updates()) return o.lr() * number / o.warmup_updates();
  const double share = (number - o.warmup_updates()) /
                       (static_cast<double>(spec.train().updates()) - o.warmup_updates());
  return o.lr() *
         (o.lr_floor() + (1 - o.lr_floor()) * (1 + std::cos(std::numbers::pi * share)) / 2);
}

std::vector<torch::optim::OptimizerParamGroup> Groups(const v1::JobSpec& spec,
                                                      const Weights& weights) {
  const v1::OptimizerSpec& o = spec.optimizer();
  std::vector<Tensor> matrices, vectors;
  for (const auto& [name, tensor] : weights) {
    (tensor.dim() == 2 ? matrices : vectors).push_back(tensor);
  }
  const auto options = [&](double decay) {
    return std::make_unique<torch::optim::AdamWOptions>(torch::optim::AdamWOptions(o.lr())
                                                            .betas({o.beta1(), o.beta2()})
                                                            .eps(o.eps())
                                                            .weight_decay(decay));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(matrices, options(o.weight_decay()));
  groups.emplace_back(vectors, options(0));
  return groups;
}

Weights Clone(const Weights& weights, bool requires_grad) {
  Weights clones;
  for (const auto& [name, tensor] : weights) {
    clones[name] = tensor.detach().clone().set_requires_grad(requires_grad);
  }
  return clones;
}

// `squares`: of the norms, by stage and update.
void Clip(const v1::JobSpec& spec, const NormsKnown& norms, int64_t update,
          std::vector<std::vector<double>>& squares, ReferenceRun& run) {
  for (auto& of_stage : squares) of_stage.push_back(0);
  for (const auto& [name, tensor] : run.weights) {
    if (norms.stages == 0) return;
    squares[norms.stage_of(name)][update] += tensor.grad().square().sum().item<double>();
  }
  run.known_norms.clear();
  for (int64_t stage = 0; stage < norms.stages; ++stage) {
    double square = squares[stage][update];
    for (int64_t other = 0; other < norms.stages; ++other) {
      const int64_t known = other == stage ? -1 : norms.update_known(spec, stage, other, update);
      if (known < 0) continue;
      square += squares[other][known] * squares[stage][update] / squares[stage][update - 1];
    }
    run.known_norms.push_back(std::sqrt(square));
  }
  for (const auto& [name, tensor] : run.weights) {
    const double norm = run.known_norms[norms.stage_of(name)];
    if (norm > spec.optimizer().clip_norm()) {
      tensor.mutable_grad() = tensor.grad() * (spec.optimizer().clip_norm() / norm);
    }
  }
  run.clipped += std::count_if(run.known_norms.begin(), run.known_norms.end(),
                               [&](double norm) { return norm > spec.optimizer().clip_norm(); });
}

}  // namespace

Tensor ReferenceLoss(const v1::ModelSpec& model, const Tensor& ids, const Weights& forward,
                     const Weights& backward) {
  const int64_t context = ids.size(1) - 1;
  const Tensor logits = ReferenceModel(model, forward, backward).Logits(ids.slice(1, 0, context));
  const Tensor logs = torch::log_softmax(logits, -1);
  return -logs.gather(2, ids.slice(1, 1, context + 1).unsqueeze(2)).mean();
}

ReferenceRun TrainReference(const v1::JobSpec& spec, const Weights& initial, VersionOf version_of,
                            const NormsKnown& norms) {
  at::set_num_threads(1);
  std::vector<std::vector<double>> squares(norms.stages);
  ReferenceRun run;
  run.weights = Clone(initial, /*requires_grad=*/true);
  std::vector<Weights> history{Clone(initial, /*requires_grad=*/false)};  // by version
  torch::optim::AdamW optimizer(Groups(spec, run.weights), {});
  const auto batches = BatchSource::Open(spec).value();
  const int64_t a = spec.pipeline().accumulation();
  for (int64_t update = 0; update < static_cast<int64_t>(spec.train().updates()); ++update) {
    double loss_sum = 0;
    for (int64_t micro_batch = update * a; micro_batch < (update + 1) * a; ++micro_batch) {
      const auto ids = batches->Training(micro_batch).value();
      const Tensor batch =
          torch::from_blob(const_cast<int64_t*>(ids.data()),
                           {spec.pipeline().micro_batch(), int64_t{spec.model().context()} + 1},
                           torch::kLong)
              .clone();
      Weights forward, backward;
      for (const auto& [name, tensor] : run.weights) {
        const Versions versions = version_of(spec, name, micro_batch);
        forward[name] = history.at(versions.forward).at(name);
        backward[name] = history.at(versions.backward).at(name).clone().set_requires_grad(true);
      }
      const Tensor loss = ReferenceLoss(spec.model(), batch, forward, backward);
      loss_sum += loss.item<double>();
      (loss / static_cast<double>(a)).backward();
      for (const auto& [name, tensor] : run.weights) {
        Tensor& sum = tensor.mutable_grad();
        sum = sum.defined() ? sum + backward[name].grad() : backward[name].grad();
      }
    }
    run.losses.push_back(loss_sum / static_cast<double>(a));
    Clip(spec, norms, update, squares, run);
    for (auto& group : optimizer.param_groups()) {
      group.options().set_lr(LearningRate(spec, static_cast<double>(update + 1)));
    }
    optimizer.step();
    optimizer.zero_grad();
    history.push_back(Clone(run.weights, /*requires_grad=*/false));
  }
  return run;
}

}  // namespace paci
