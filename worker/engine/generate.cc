#include "worker/engine/generate.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "worker/compute/guard.h"
#include "worker/compute/stage_model.h"
#include "worker/engine/sampling.h"

namespace paci {
namespace {

// The last `context` ids of `tokens` [1, length].
at::Tensor Window(const std::vector<int64_t>& tokens, size_t context) {
  const size_t length = std::min(tokens.size(), context);
  at::Tensor ids = at::empty({1, static_cast<int64_t>(length)}, at::kLong);
  std::copy(tokens.end() - static_cast<ptrdiff_t>(length), tokens.end(), ids.data_ptr<int64_t>());
  return ids;
}

bool IsOfBytes(const v1::GenerateText& command) {
  return command.spec().data().tokenizer() == v1::TOKENIZER_BYTES;
}

// A model begins somewhere: one of bytes, without a prompt, after a line's end.
std::vector<int64_t> Prompt(const v1::GenerateRequest& request) {
  if (!request.prompt_tokens().empty()) {
    return {request.prompt_tokens().begin(), request.prompt_tokens().end()};
  }
  const std::string text = request.prompt().empty() ? "\n" : request.prompt();
  std::vector<int64_t> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

absl::Status CheckRequest(const v1::GenerateText& command) {
  if (!IsOfBytes(command) && command.request().prompt_tokens().empty()) {
    return absl::FailedPreconditionError(
        "a prompt of letters needs data.tokenizer \"bytes\"; expected prompt_tokens");
  }
  const v1::GenerateRequest& request = command.request();
  if (request.max_tokens() < 1 || request.max_tokens() > 4096 || !(request.temperature() >= 0)) {
    return absl::InvalidArgumentError(absl::StrCat("max_tokens is ", request.max_tokens(),
                                                   " and temperature ", request.temperature(),
                                                   "; expected 1..4096 and a number >= 0"));
  }
  const uint32_t vocabulary = command.spec().model().vocabulary();
  for (const uint32_t token : request.prompt_tokens()) {
    if (token >= vocabulary) {
      return absl::InvalidArgumentError(
          absl::StrCat("prompt_tokens has ", token, "; expected 0..", vocabulary - 1));
    }
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
    const Sampling sampling = {request.temperature(), request.top_k(), request.top_p()};
    std::vector<int64_t> tokens = Prompt(request);
    // A vocabulary may be larger than the bytes that it is used for.
    const int64_t ids = IsOfBytes(command) ? 256 : command.spec().model().vocabulary();
    v1::GenerateResponse response;
    for (uint32_t i = 0; i < request.max_tokens(); ++i) {
      const at::Tensor logits =
          model.Forward(Window(tokens, command.spec().model().context()), std::nullopt);
      const at::Tensor last = logits[0][logits.size(1) - 1].narrow(0, 0, ids);
      tokens.push_back(Sample(last, sampling, generator));
      response.add_tokens(static_cast<uint32_t>(tokens.back()));
      if (IsOfBytes(command)) response.mutable_text()->push_back(static_cast<char>(tokens.back()));
    }
    response.set_checkpoint(command.checkpoint());
    return response;
  });
}

}  // namespace paci
