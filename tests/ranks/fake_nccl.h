// SPDX-License-Identifier: GPL-3.0-or-later
// What a test says to the stand-in for NCCL's library (fake_nccl.cpp), a shared library so that the
// code that loads and asks NCCL really runs. Its ranks are threads of one process.
#pragma once

namespace luthier::test {

/// `call` ("ncclCommInitRank") answers `code` from now on; "bytes": they come as others; "": all is
/// well.
using FailNccl = void (*)(const char* call, int code);
/// How the host reads what lies on a card.
using ReachNccl = void (*)(void* (*readable)(void* address));
/// How many bytes were sent since the last call, from card to card.
using SentNccl = long (*)();

inline constexpr int kNcclSystemFault = 2;  // ncclSystemError

}  // namespace luthier::test
