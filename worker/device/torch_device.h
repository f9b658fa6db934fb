#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace paci {

// CUDA device `gpu`; below 0: the CPU.
c10::Device DeviceOf(int gpu);

// Makes `device` the present one of this thread, and of it resets what PeakBytes says. With
// `is_deterministic` its kernels give the same bits every time, which costs some speed; on the CPU
// they do in any case.
void UseDevice(const c10::Device& device, bool is_deterministic);

// Waits until `device` has done all that it was given.
void AwaitDevice(const c10::Device& device);

// The most memory that tensors on `device` have had at once since UseDevice; 0 on the CPU.
uint64_t PeakBytes(const c10::Device& device);

}  // namespace paci
