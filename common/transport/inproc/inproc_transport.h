#pragma once

#include <memory>

#include "common/transport/channel.h"

namespace paci {

// Where the transports of one process meet: what the network is to tcp/.
class InprocHub;
std::shared_ptr<InprocHub> MakeInprocHub();

// Channels within a process, for tests: the contract of channel.h, one copy from sender's to
// receiver's memory.
std::unique_ptr<Transport> MakeInprocTransport(std::shared_ptr<InprocHub> hub);

}  // namespace paci
