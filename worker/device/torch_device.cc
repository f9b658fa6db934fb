#include "worker/device/torch_device.h"

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace paci {

c10::Device DeviceOf(int gpu) {
  if (gpu < 0) return c10::Device(c10::kCPU);
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(gpu));
}

void AwaitDevice(const c10::Device& device) {
  if (device.is_cpu()) return;
  c10::impl::getDeviceGuardImpl(device.type())->synchronizeDevice(device.index());
}

void UseDevice(const c10::Device& device, bool is_deterministic) {
  if (device.is_cpu()) return;
  at::globalContext().lazyInitDevice(device.type());
  c10::impl::getDeviceGuardImpl(device.type())->setDevice(device);
  at::globalContext().setDeterministicAlgorithms(is_deterministic, /*warn_only=*/false);
  c10::getDeviceAllocator(device.type())->resetPeakStats(device.index());
}

uint64_t PeakBytes(const c10::Device& device) {
  if (device.is_cpu()) return 0;
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return static_cast<uint64_t>(stats.allocated_bytes[kAll].peak);
}

}  // namespace paci
