#pragma once

#include <functional>
#include <memory>

#include "common/schedule/action.h"
#include "worker/stage/compute.h"

namespace paci {

// Called on the stage's thread before each action. An error is the action's result: a fault at a
// logical position.
using WatchAction = std::function<absl::Status(Action)>;

// Called on the thread that writes, with the update of the checkpoint. An error is the write's
// result.
using WatchWrite = std::function<absl::Status(int64_t update)>;

// A compute whose every action is shown to `watch` first. Checkpoints are counted, and their
// writing is `watch_write`.
std::unique_ptr<StageCompute> MakeWatchedCompute(std::unique_ptr<StageCompute> inner,
                                                 WatchAction watch,
                                                 WatchWrite watch_write = nullptr);

}  // namespace paci
