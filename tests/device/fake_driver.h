// SPDX-License-Identifier: GPL-3.0-or-later
// What the two stand-ins for the NVIDIA driver's libraries (fake_cuda.cpp, fake_management.cpp) are
// told by a test, through the environment. They are shared libraries of their own with the real
// ones' names, so that the code that loads and asks a driver really runs. No CUDA header.
#pragma once

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace luthier::test {

/// "name|major|minor|total|free" for each card, with ; between them; "|mode" behind it is the
/// compute mode (2: closed to programs).
inline constexpr const char* kFakeCards = "LUTHIER_FAKE_CARDS";
/// "cuDeviceGetName=999": the call that fails and what it answers.
inline constexpr const char* kFakeFailure = "LUTHIER_FAKE_FAILURE";
/// As cuDriverGetVersion gives it: 12040.
inline constexpr const char* kFakeCudaVersion = "LUTHIER_FAKE_CUDA_VERSION";

struct FakeCard {
  std::string name;
  int major = 0, minor = 0;
  unsigned long long total = 0, free = 0;
  int mode = 0;
};

inline std::vector<FakeCard> fake_cards() {
  std::vector<FakeCard> cards;
  const char* text = std::getenv(kFakeCards);
  std::istringstream all(text ? text : "");
  for (std::string one; std::getline(all, one, ';');) {
    FakeCard card;
    std::istringstream fields(one);
    char bar = 0;
    std::getline(fields, card.name, '|');
    fields >> card.major >> bar >> card.minor >> bar >> card.total >> bar >> card.free;
    fields >> bar >> card.mode;
    cards.push_back(card);
  }
  return cards;
}

/// What `call` answers in place of success; 0: it succeeds.
inline int fake_failure(const std::string& call) {
  const char* told = std::getenv(kFakeFailure);
  const std::string failure = told ? told : "";
  return failure.starts_with(call + "=") ? std::atoi(failure.c_str() + call.size() + 1) : 0;
}

/// The last byte of a card's identity is its number, the others are 0xAB.
inline constexpr unsigned char kFakeIdentity = 0xAB;

}  // namespace luthier::test
