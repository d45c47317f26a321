// SPDX-License-Identifier: GPL-3.0-or-later
// First what keeps every card away (no driver, an old one, no CUDA half), then what keeps one away
// (too old, full), then the one with most free memory.
#include "engine/device/card_choice.h"

#include <algorithm>

#include "engine/base/text.h"

namespace luthier {
namespace {

constexpr const char* kUseCpu = "device: cpu computes without a card.";
// CUresult
constexpr int kNoDevice = 100, kNotReady = 802, kMismatch = 803, kNoCompatibility = 804;

/// Why something cannot be used, and what would help.
struct Obstacle {
  std::string what, remedy;
  bool quiet = false;  ///< as it should be: the machine has no card, or a person hid it
};

std::string cuda_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string described(const CardFacts& card) {
  return card.name + " (sm_" + std::to_string(card.capability) + ")";
}

/// CUDA_VISIBLE_DEVICES as people set it to have no card.
bool hides_on_purpose(const std::string& visible) {
  return visible.empty() || visible == "-1" || visible == "none" || visible == "NoDevFiles" ||
         visible == "void";
}

std::optional<Obstacle> driver_obstacle(const DeviceFacts& facts) {
  if (!facts.driver_found) {
    if (!facts.node) return Obstacle{"There is no NVIDIA card on this machine.", "", true};
    return Obstacle{
        "The library of the NVIDIA driver cannot be loaded (" + facts.driver_problem + ").",
        "Install the driver's libcuda, or hand it into this container.", false};
  }
  const bool none =
      facts.driver_error == kNoDevice || (facts.driver_error == 0 && facts.cards.empty());
  if (none && facts.visible_devices) {
    return Obstacle{
        "CUDA_VISIBLE_DEVICES is \"" + *facts.visible_devices + "\" and leaves no card visible.",
        "Unset it, or name a card that is there.", hides_on_purpose(*facts.visible_devices)};
  }
  if (none) return Obstacle{"There is no NVIDIA card on this machine.", "", true};
  const std::string code = std::to_string(facts.driver_error);
  switch (facts.driver_error) {
    case 0: return std::nullopt;
    case kNotReady:
      return Obstacle{"The NVIDIA driver is not ready yet (CUDA error " + code + ").",
                      "Start nvidia-fabricmanager, or wait until it runs.", false};
    case kMismatch:
      return Obstacle{
          "The NVIDIA driver's library and its kernel module are of two versions "
          "(CUDA error " +
              code + ").",
          "The driver was updated: restart the machine.", false};
    case kNoCompatibility:
      return Obstacle{
          "The CUDA compatibility library does not go with this card (CUDA error " + code + ").",
          "Take it out of LD_LIBRARY_PATH, or install a newer driver.", false};
    default:
      return Obstacle{
          "The NVIDIA driver does not answer (" + facts.driver_call + ": CUDA error " + code + ").",
          "`nvidia-smi` may say more; restarting the machine often helps.", false};
  }
}

/// LibTorch's CUDA half, and what it asks of the driver: programs of one generation of CUDA run on
/// each driver of that generation.
std::optional<Obstacle> torch_obstacle(const DeviceFacts& facts) {
  const std::string& name = facts.cards.front().name;
  using Half = DeviceFacts::TorchHalf;
  if (facts.torch_half == Half::Absent)
    return Obstacle{"There is an NVIDIA card (" + name + "), but this LibTorch is without CUDA.",
                    "Install LibTorch 2.11 with CUDA.", false};
  if (facts.torch_half == Half::Broken)
    return Obstacle{"LibTorch's CUDA half cannot be loaded (" + facts.torch_problem + ").",
                    "Install LibTorch 2.11 with its CUDA libraries.", false};
  const int generation = facts.torch_cuda / 1000;
  if (facts.driver_cuda / 1000 < generation) {
    std::string remedy = "Install a newer driver.";
    for (const DriverNeed& need : kDriverNeeds) {
      if (need.cuda_major == generation)
        remedy = "Install driver " + std::string(need.driver) + " or newer.";
    }
    const std::string version = facts.driver_version.empty() ? "" : " " + facts.driver_version;
    return Obstacle{"The NVIDIA driver" + version +
                        " is too old for this LibTorch: it knows CUDA " +
                        cuda_text(facts.driver_cuda) + ", and CUDA " + cuda_text(facts.torch_cuda) +
                        " is needed.",
                    remedy, false};
  }
  if (facts.torch_cards == 0)
    return Obstacle{"LibTorch does not see the card that the NVIDIA driver names (" + name + ").",
                    "`nvidia-smi` may say more; restarting the machine often helps.", false};
  return std::nullopt;
}

/// What this process can have of a card; only where the driver says what is free. What its context
/// takes is its own already, or a look at one of two equal cards would make the other one the
/// better.
std::int64_t room_on(const CardFacts& card) {
  return card.free + card.held + (card.context ? kLeastFree : 0);
}

std::optional<Obstacle> card_obstacle(const DeviceFacts& facts, std::size_t index) {
  const CardFacts& card = facts.cards[index];
  if (card.capability < kOldestCapability)
    return Obstacle{described(card) + " is too old: LibTorch has nothing for cards before sm_" +
                        std::to_string(kOldestCapability) + ".",
                    "Use a card of the Turing generation or newer.", false};
  if (card.closed)
    return Obstacle{card.name + " takes no programs: its compute mode is Prohibited.",
                    "`nvidia-smi -c 0`, by an administrator, opens it.", false};
  if (static_cast<int>(index) >= facts.torch_cards)
    return Obstacle{
        "LibTorch does not see the card that the NVIDIA driver names (" + card.name + ").",
        "`nvidia-smi` may say more; restarting the machine often helps.", false};
  if (card.free >= 0 && room_on(card) < kLeastFree)
    return Obstacle{card.name + " is full: " + size_text(static_cast<double>(card.free)) + " of " +
                        size_text(static_cast<double>(card.total)) + " are free.",
                    "Close what uses it; `nvidia-smi` names it.", false};
  return std::nullopt;
}

std::string joined_sentences(const std::string& first, const std::string& second) {
  return second.empty() ? first : first.empty() ? second : first + " " + second;
}

Error refusal(const Obstacle& obstacle) {
  return machine_error(obstacle.what, "device", joined_sentences(obstacle.remedy, kUseCpu));
}

CardChoice the_cpu(const Obstacle& obstacle) {
  if (obstacle.quiet) return {};
  const std::string instead = joined_sentences(obstacle.what, "The CPU computes instead.");
  return {-1, joined_sentences(instead, obstacle.remedy), true};
}

/// The best of the cards that can be used; -1: none can. Ties go to the first.
int best_card(const std::vector<CardFacts>& cards, const std::vector<bool>& usable) {
  bool known = true;
  for (std::size_t i = 0; i < cards.size(); ++i)
    known = known && (!usable[i] || cards[i].free >= 0);
  int best = -1;
  std::int64_t most = -1;
  for (std::size_t i = 0; i < cards.size(); ++i) {
    if (!usable[i]) continue;
    if (cards[i].held > 0) return static_cast<int>(i);
    const std::int64_t room = known ? room_on(cards[i]) : cards[i].total;
    if (room > most) most = room, best = static_cast<int>(i);
  }
  return best;
}

/// CUDA takes what CUDA_VISIBLE_DEVICES names up to the first that is not there; of slices (MIG)
/// one, whatever it names.
std::string cut_short(const DeviceFacts& facts) {
  const auto is_slice = [](const CardFacts& card) {
    return card.name.find(" MIG ") != std::string::npos;
  };
  if (!facts.visible_devices || std::any_of(facts.cards.begin(), facts.cards.end(), is_slice))
    return "";
  std::size_t named = 0;
  bool within = false;  // a name
  for (const char each : *facts.visible_devices) {
    const bool part = each != ',' && each != ' ';
    named += part && !within;
    within = part || (within && each == ' ');
  }
  if (named <= facts.cards.size()) return "";
  return "CUDA_VISIBLE_DEVICES is \"" + *facts.visible_devices + "\", but only " +
         std::to_string(facts.cards.size()) + " of its " + std::to_string(named) +
         " cards can be seen: CUDA stops at the first that is not there.";
}

/// Of several cards: which one is taken and why, and what keeps the others away.
std::string said_of(const DeviceFacts& facts, int taken, std::size_t usable,
                    const std::string& obstacles) {
  const CardFacts& card = facts.cards[static_cast<std::size_t>(taken)];
  const std::string count = std::to_string(facts.cards.size());
  const std::string which = "cuda:" + std::to_string(taken) + ", " + card.name;
  if (usable == 1)
    return joined_sentences("Of " + count + " cards one can be used: " + which + ".", obstacles);
  const std::string room =
      (card.free >= 0 ? size_text(static_cast<double>(card.free)) + " of " : std::string()) +
      size_text(static_cast<double>(card.total));
  const std::string most = "Of " + count +
                           " cards the one with most free memory is taken: " + which + " (" + room +
                           ").";
  return joined_sentences(most, obstacles);
}

Result<CardChoice> choose_best(const DeviceFacts& facts, bool cpu_too) {
  std::vector<bool> usable;
  std::string obstacles;
  std::optional<Obstacle> first;
  std::size_t count = 0;
  for (std::size_t i = 0; i < facts.cards.size(); ++i) {
    const auto obstacle = card_obstacle(facts, i);
    usable.push_back(!obstacle);
    count += obstacle ? 0 : 1;
    if (!obstacle) continue;
    obstacles = joined_sentences(obstacles, obstacle->what);
    if (!first) first = obstacle;
  }
  const int best = best_card(facts.cards, usable);
  if (best < 0) {
    const Obstacle all{obstacles, first->remedy, false};
    if (cpu_too) return the_cpu(all);
    return refusal(all);
  }
  const std::string cut = cut_short(facts);
  if (facts.cards.size() == 1) return CardChoice{best, cut, !cut.empty()};
  return CardChoice{best, joined_sentences(said_of(facts, best, count, obstacles), cut),
                    !cut.empty()};
}

}  // namespace

Result<CardChoice> choose_card(const std::string& name, const DeviceFacts& facts) {
  if (name == "cpu") return CardChoice{};
  const bool automatic = name == "auto", numbered = name.starts_with("cuda:");
  const std::string number = numbered ? name.substr(5) : "";
  const bool whole = !number.empty() && number.size() <= 3 &&
                     number.find_first_not_of("0123456789") == std::string::npos;
  if (!automatic && name != "cuda" && !whole) {
    return input_error("\"" + name + "\" is not a device.", "device",
                       "Use auto, cpu, cuda or cuda:N.");
  }
  if (!facts.lost.empty()) {
    return machine_error("The CUDA device stopped answering this program (" + facts.lost + ").",
                         "device", "Start the program anew.");
  }
  std::optional<Obstacle> obstacle = driver_obstacle(facts);
  if (!obstacle) obstacle = torch_obstacle(facts);
  if (obstacle) {
    if (automatic) return the_cpu(*obstacle);
    return refusal(*obstacle);
  }
  if (!numbered) return choose_best(facts, automatic);
  const auto index = static_cast<std::size_t>(std::stoi(number));
  if (index >= facts.cards.size()) {
    const std::string last = "cuda:" + std::to_string(facts.cards.size() - 1);
    const std::string there = facts.cards.size() == 1 ? "cuda:0" : "cuda:0 to " + last;
    return machine_error("There is no CUDA device " + number + " on this machine.", "device",
                         facts.visible_devices
                             ? "CUDA_VISIBLE_DEVICES, which is \"" + *facts.visible_devices +
                                   "\", leaves " + there + "."
                             : "This machine has " + there + ".");
  }
  if (const auto own = card_obstacle(facts, index)) return refusal(*own);
  const std::string cut = cut_short(facts);
  return CardChoice{static_cast<int>(index), cut, !cut.empty()};
}

Result<std::string> choose_type(const std::string& name, const CardFacts* card) {
  const bool has = !card || card->capability >= kBfloat16Capability;
  if (name == "auto") return std::string(card && has ? "bfloat16" : "float32");
  if (name == "float32") return name;
  if (name != "bfloat16")
    return input_error("\"" + name + "\" is not a compute type.", "dtype",
                       "Use auto, float32 or bfloat16.");
  if (has) return name;
  return input_error(described(*card) + " has no bfloat16.", "dtype",
                     "Use float32, or auto. A run that began in bfloat16 goes on on a card of sm_" +
                         std::to_string(kBfloat16Capability) + " or newer, or on the CPU.");
}

std::string type_note(const std::string& name, const CardFacts* card, NarrowProducts processor) {
  if (!card && name == "bfloat16" && processor == NarrowProducts::None)
    return "This processor has no instructions for bfloat16: training in it can take many times as "
           "long as in float32.";
  if (name != "auto" || !card || card->capability >= kBfloat16Capability) return "";
  return described(*card) + " has no bfloat16: auto computes in float32.";
}

std::string type_proposal(const std::string& name, NarrowProducts processor) {
  const bool tiles = processor == NarrowProducts::Tiles;
  if (name != "auto" || (!tiles && processor != NarrowProducts::Vectors)) return "";
  return "This processor has instructions for bfloat16 (" +
         std::string(tiles ? "AMX" : "AVX512-BF16") +
         "): training.dtype: bfloat16 may train faster than float32, which auto keeps.";
}

}  // namespace luthier
