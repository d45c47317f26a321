// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/idefics/last_picture.h"

#include <algorithm>

namespace luthier {

std::vector<std::int64_t> picture_events(const ModelInput& input, TokenId mark,
                                         const std::vector<TokenId>& ends) {
  const torch::Tensor ids = input.input_ids.to(torch::kCPU).contiguous();
  const auto* numbers = ids.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> events;
  for (std::int64_t place = 0; place < ids.numel(); ++place) {
    if (numbers[place] == mark)
      events.push_back(place);
    else if (std::find(ends.begin(), ends.end(), numbers[place]) != ends.end())
      events.push_back(-1 - place);
  }
  return events;
}

Sighted last_pictures(const std::vector<std::int64_t>& lengths,
                      const std::vector<std::int64_t>& events, std::int64_t states) {
  Sighted made;
  std::vector<std::int64_t> tokens;
  std::int64_t start = 0, all = 0;  // of the row
  std::size_t next = 0;
  const auto place_of = [&](std::size_t event) {
    return events[event] < 0 ? -1 - events[event] : events[event];
  };
  const auto close = [&](std::int64_t from, std::int64_t to) {  // the last picture's run
    made.runs.back().tokens = to - from;
    for (std::int64_t token = from; token < to; ++token) tokens.push_back(token);
  };
  for (const std::int64_t length : lengths) {
    const std::int64_t end = start + length;
    std::int64_t open = -1;  // where the run began that is not closed
    for (; next < events.size() && place_of(next) < end; ++next) {
      const std::int64_t place = place_of(next);
      if (events[next] < 0) {  // which sees the picture itself
        if (open >= 0) close(open, place + 1);
        open = -1;
        continue;
      }
      if (open >= 0) close(open, place);
      made.runs.push_back({0, static_cast<std::int64_t>(made.runs.size()) * states, states});
      open = place;
    }
    if (open >= 0) close(open, end);
    made.last_runs.push_back(open >= 0 ? static_cast<std::int64_t>(made.runs.size()) - 1
                                       : std::int64_t{-1});
    start = all = end;
  }
  TORCH_CHECK(next == events.size(), "a picture's mark stands behind all rows");
  if (static_cast<std::int64_t>(tokens.size()) < all)
    made.tokens = torch::tensor(tokens, torch::kInt64);
  return made;
}

Sighted given_pictures(const std::vector<std::int64_t>& lengths, const torch::Tensor& sights,
                       std::int64_t states) {
  Sighted made;
  std::vector<std::int64_t> tokens, order;
  const torch::Tensor all = sights.contiguous();
  const auto* sight = all.const_data_ptr<std::int64_t>();
  std::int64_t token = 0;
  for (const std::int64_t length : lengths) {
    const std::int64_t* before = nullptr;  // what the token before it in its row sees
    for (const std::int64_t end = token + length; token < end; ++token) {
      const std::int64_t* own = sight + 2 * token;
      if (own[1] > 0) {
        if (!before || before[0] != own[0] || before[1] != own[1]) {
          made.runs.push_back({0, std::ssize(order), own[1] * states});
          for (std::int64_t i = 0; i < own[1] * states; ++i) order.push_back(own[0] * states + i);
        }
        ++made.runs.back().tokens;
        tokens.push_back(token);
      }
      before = own;
    }
    const bool sees = before && before[1] > 0;
    made.last_runs.push_back(sees ? std::ssize(made.runs) - 1 : std::int64_t{-1});
  }
  made.order = torch::tensor(order, torch::kInt64);
  if (std::ssize(tokens) < token) made.tokens = torch::tensor(tokens, torch::kInt64);
  return made;
}

}  // namespace luthier
