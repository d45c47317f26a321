// SPDX-License-Identifier: GPL-3.0-or-later
// What ranks send from card to card: bytes that two cards have arrive as they were. A machine with
// one card has it speak to itself, which shows at least that its NCCL is the one we know.
#include <algorithm>
#include <chrono>
#include <thread>

#include <torch/cuda.h>

#include "engine/check/checks.h"
#include "engine/ranks/nccl_line.h"

namespace luthier {

namespace {

constexpr std::int64_t kBytes = 16 << 20;
constexpr std::chrono::minutes kPatience{1};
constexpr int kTimes = 5;

std::vector<torch::Device> linked_cards(const CheckedCard& card) {
  std::vector<torch::Device> cards{card.device};
  if (card.device.is_cuda()) {
    const auto count = static_cast<int>(torch::cuda::device_count());
    for (int other = 0; other < count && cards.size() < 2; ++other)
      if (other != card.device.index())
        cards.emplace_back(torch::kCUDA, static_cast<c10::DeviceIndex>(other));
  }
  return cards;
}

/// Of one rank: what came is what the others have. → seconds of an exchange, the shortest.
Result<double> speaks(const std::string& meeting, const std::string& library,
                      const std::vector<torch::Device>& cards, std::size_t rank) {
  const auto size = static_cast<std::int64_t>(cards.size());
  LUTHIER_TRY(const auto line,
              NcclLine::join(meeting, static_cast<int>(rank), static_cast<int>(size), cards[rank],
                             kPatience, library));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  const NcclLine::GoOn go_on = [until]() -> Status {
    if (std::chrono::steady_clock::now() < until) return {};
    return machine_error("The other card did not answer.");
  };
  const auto bytes_of = [&](std::int64_t of) {
    return torch::arange(kBytes, torch::TensorOptions().device(cards[rank]).dtype(torch::kInt64))
        .add_(7 * of)
        .remainder_(251)
        .to(torch::kUInt8);
  };
  const torch::Tensor mine = bytes_of(static_cast<std::int64_t>(rank));
  torch::Tensor all = torch::zeros({size * kBytes}, mine.options());
  LUTHIER_CHECK(line->gather(mine, all, go_on));
  for (std::int64_t other = 0; other < size; ++other)
    if (!all.narrow(0, other * kBytes, kBytes).equal(bytes_of(other)))
      return machine_error("Bytes of another card came as others.");
  // Each sends a half of its own to each, or all of it to itself.
  const std::int64_t part = kBytes / size;
  const std::vector<std::int64_t> counts(cards.size(), part);
  double shortest = 0;
  for (int time = 0; time < kTimes; ++time) {
    torch::Tensor in = torch::zeros({size * part}, mine.options());
    const auto start = std::chrono::steady_clock::now();
    LUTHIER_CHECK(line->exchange(mine, counts, in, counts, go_on));
    const double taken =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    shortest = time == 0 ? taken : std::min(shortest, taken);
    for (std::int64_t other = 0; other < size; ++other)
      if (!in.narrow(0, other * part, part)
               .equal(bytes_of(other).narrow(0, static_cast<std::int64_t>(rank) * part, part)))
        return machine_error("Bytes that another card sent came as others.");
  }
  return shortest;
}

Result<Found> check_link(const CheckedCard& card) {
  const auto meeting = NcclLine::new_meeting(card.nccl);
  if (!meeting) return Found::skip(meeting.error().sentence());
  const std::vector<torch::Device> cards = linked_cards(card);
  std::vector<Result<double>> said(cards.size(), 0.0);
  std::vector<std::thread> ranks;
  for (std::size_t rank = 0; rank < cards.size(); ++rank)
    ranks.emplace_back([&, rank] {
      try {
        said[rank] = speaks(*meeting, card.nccl, cards, rank);
      } catch (const std::exception& failure) {
        said[rank] = machine_error(failure.what());
      }
    });
  for (std::thread& each : ranks) each.join();
  Found found;
  for (const Result<double>& each : said)
    if (!each) return each.error();
  const double gigabytes = static_cast<double>(kBytes) / static_cast<double>(cards.size()) / 1e9;
  found.detail = cards.size() == 1
                     ? "one card, with itself"
                     : "two cards, " + with_digits(gigabytes / *said[0], 1) + " GB/s each way";
  found.figures = {{"cards", cards.size()}};
  if (cards.size() > 1) found.figures["gigabytes_a_second"] = gigabytes / *said[0];
  return found;
}

}  // namespace

std::vector<Check> link_checks(const CheckedCard& card) {
  return {{"over NCCL", [&card] { return check_link(card); }}};
}

}  // namespace luthier
