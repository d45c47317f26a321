// SPDX-License-Identifier: GPL-3.0-or-later
// Which card a run gets, or the CPU, or a refusal: a pure function over what is known of the
// machine (card_facts.h), so that every machine that people have can stand in a test's table.
// `auto` never refuses a machine that has a CPU: it takes the best that works and says why nothing
// better does. A card that is named and cannot be used is refused.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/device/card_facts.h"
#include "engine/device/processor.h"

namespace luthier {

/// LibTorch 2.11's wheels for CUDA 12.8 and 13.0 have no kernels for older cards (its RELEASE.md,
/// "PyTorch CUDA Support Matrix"; the one for 12.6 has, but our own kernels have not).
inline constexpr int kOldestCapability = 75;
/// bfloat16 came with the Ampere generation.
inline constexpr int kBfloat16Capability = 80;
/// Less than this on a card is no room for a run: a context with the kernels that LibTorch loads
/// takes about half of it, cuBLAS's workspaces and the smallest model the rest.
inline constexpr std::int64_t kLeastFree = std::int64_t{1} << 30;

/// The oldest driver for programs of a CUDA generation, whose minor versions it runs too
/// (docs.nvidia.com/deploy/cuda-compatibility, "Minor Version Compatibility").
struct DriverNeed {
  int cuda_major;
  const char* driver;
};
inline constexpr DriverNeed kDriverNeeds[] = {{12, "525"}, {13, "580"}};

struct CardChoice {
  int card = -1;       ///< in CUDA's order; -1: the CPU
  std::string note;    ///< what a person should know of the choice; empty: there was none to make
  bool warns = false;  ///< the note says that something is not as it could be
};

/// `name` as the recipe's training.device: auto, cpu, cuda (the best card), cuda:N. A card that
/// this process holds memory on stays the choice of auto and cuda. Errors: Input for what is no
/// device's name, Machine for a card that cannot be had; both about "device".
Result<CardChoice> choose_card(const std::string& name, const DeviceFacts& facts);

/// The compute type behind `name` (auto, float32, bfloat16) on this card; null: on the CPU. auto:
/// bfloat16 where the card has it, float32 elsewhere. Errors: Input, about "dtype".
Result<std::string> choose_type(const std::string& name, const CardFacts* card);
/// What a person should be warned of there; empty: nothing. `processor` is asked on the CPU.
std::string type_note(const std::string& name, const CardFacts* card, NarrowProducts processor);
/// What may be better on the CPU than what `auto` takes, which keeps to float32; empty: nothing.
std::string type_proposal(const std::string& name, NarrowProducts processor);

}  // namespace luthier
