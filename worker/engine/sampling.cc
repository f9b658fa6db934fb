#include "worker/engine/sampling.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace paci {

int64_t Sample(const at::Tensor& logits, const Sampling& sampling, at::Generator& generator) {
  // Below, the quotient leaves float32, and the likeliest is all there is to draw.
  if (sampling.temperature < 1e-3) return logits.argmax().item<int64_t>();
  const at::Tensor probabilities = at::softmax(logits / sampling.temperature, 0);
  if (sampling.top_k == 0 && sampling.top_p == 0) {
    return at::multinomial(probabilities, 1, /*replacement=*/true, generator).item<int64_t>();
  }
  const int64_t count = logits.size(0);
  const int64_t most = sampling.top_k == 0 ? count : std::min(sampling.top_k, count);
  auto [likeliest, indices] = probabilities.topk(most);
  if (sampling.top_p > 0) {
    // Those before which the sum has not been reached: the first always, however likely it is.
    const at::Tensor before = likeliest.cumsum(0) - likeliest;
    const int64_t kept = std::max<int64_t>(1, before.lt(sampling.top_p).sum().item<int64_t>());
    likeliest = likeliest.narrow(0, 0, kept);
  }
  const at::Tensor drawn = at::multinomial(likeliest, 1, /*replacement=*/true, generator);
  return indices[drawn.item<int64_t>()].item<int64_t>();
}

}  // namespace paci
