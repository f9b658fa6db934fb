#include "worker/engine/generate.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "worker/compute/guard.h"
#include "worker/compute/stage_model.h"

namespace paci {
namespace {

// The last `context` bytes of `text`, as token ids [1, length].
at::Tensor Window(const std::string& text, size_t context) {
  const size_t length = std::min(text.size(), context);
  at::Tensor ids = at::empty({1, static_cast<int64_t>(length)}, at::kLong);
  std::transform(text.end() - static_cast<ptrdiff_t>(length), text.end(), ids.data_ptr<int64_t>(),
                 [](char c) { return static_cast<unsigned char>(c); });
  return ids;
}

// Of `logits` [vocabulary], among the ids that are bytes.
int64_t Sample(const at::Tensor& logits, double temperature, at::Generator& generator) {
  const at::Tensor bytes = logits.narrow(0, 0, 256);
  // Below, the quotient leaves float32, and the likeliest is all there is to draw.
  if (temperature < 1e-3) return bytes.argmax().item<int64_t>();
  const at::Tensor probabilities = at::softmax(bytes / temperature, 0);
  return at::multinomial(probabilities, 1, /*replacement=*/true, generator).item<int64_t>();
}

absl::Status CheckRequest(const v1::GenerateText& command) {
  if (command.spec().data().tokenizer() != v1::TOKENIZER_BYTES) {
    return absl::FailedPreconditionError(
        "text can be generated only with data.tokenizer \"bytes\": of other tokens the worker "
        "knows "
        "no letters");
  }
  const v1::GenerateRequest& request = command.request();
  if (request.max_tokens() < 1 || request.max_tokens() > 4096 || !(request.temperature() >= 0)) {
    return absl::InvalidArgumentError(absl::StrCat("max_tokens is ", request.max_tokens(),
                                                   " and temperature ", request.temperature(),
                                                   "; expected 1..4096 and a number >= 0"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::GenerateResponse> GenerateFromCheckpoint(const v1::GenerateText& command,
                                                            uint32_t threads) {
  if (absl::Status valid = CheckRequest(command); !valid.ok()) return valid;
  const auto what = [&] { return absl::StrCat("generating from ", command.checkpoint()); };
  return Guard(what, [&]() -> absl::StatusOr<v1::GenerateResponse> {
    at::set_num_threads(static_cast<int>(threads));
    const at::NoGradGuard no_grad;
    if (absl::Status whole = VerifyWeights(command.checkpoint()); !whole.ok()) return whole;
    StageModel model(command.spec(), 0, UnitCount(command.spec().model()));
    if (absl::Status loaded = model.Load(command.checkpoint()); !loaded.ok()) return loaded;
    const v1::GenerateRequest& request = command.request();
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(request.seed());
    // A model of bytes begins somewhere: without a prompt, after a line's end.
    std::string text = request.prompt().empty() ? "\n" : request.prompt();
    const size_t prompt_bytes = text.size();
    for (uint32_t i = 0; i < request.max_tokens(); ++i) {
      const at::Tensor logits =
          model.Forward(Window(text, command.spec().model().context()), std::nullopt);
      text.push_back(static_cast<char>(
          Sample(logits[0][logits.size(1) - 1], request.temperature(), generator)));
    }
    v1::GenerateResponse response;
    response.set_text(text.substr(prompt_bytes));
    response.set_checkpoint(command.checkpoint());
    return response;
  });
}

}  // namespace paci
