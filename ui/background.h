// SPDX-License-Identifier: GPL-3.0-or-later
// Work that would hold up the window: read or packed on a thread of Qt's pool, shown on the
// window's.
#pragma once

#include <QObject>
#include <QThreadPool>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace luthier {

/// `work` on a thread of the pool, then `done` on the calling thread (which has an event loop), if
/// `owner` is still there. Neither may throw; `work` touches nothing that the caller goes on using.
void in_background(QObject* owner, std::function<void()> work, std::function<void()> done,
                   QThreadPool& pool = *QThreadPool::globalInstance());

/// The same with what `work` returns handed to `done` as an rvalue.
template <class Work, class Done>
void in_background_of(QObject* owner, Work work, Done done,
                      QThreadPool& pool = *QThreadPool::globalInstance()) {
  using Result = std::invoke_result_t<Work&>;
  const auto result = std::make_shared<std::optional<Result>>();
  in_background(
      owner, [result, work = std::move(work)]() mutable { result->emplace(work()); },
      [result, done = std::move(done)]() mutable { done(std::move(**result)); }, pool);
}

/// The same, but the last who lets go of it leaves the freeing to a thread of Qt's pool.
template <class T>
std::shared_ptr<const T> freed_in_background(std::shared_ptr<const T> held) {
  if (!held) return nullptr;
  const T* const shown = held.get();
  return {shown, [held = std::move(held)](const T*) mutable {
            QThreadPool::globalInstance()->start([held = std::move(held)] {});
          }};
}

}  // namespace luthier
