// SPDX-License-Identifier: GPL-3.0-or-later
// The bottom line's refresh; the newest step wins, at the drain's rate.
#include "ui/status_line.h"

#include <unistd.h>

#include <QFile>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QProgressBar>
#include <QToolButton>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/run_queue.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {
constexpr int kBarSteps = 1000, kHeldMilliseconds = 2000;

/// What this program holds of the machine's memory; 0: not known.
std::int64_t held_bytes() {
  QFile file(QStringLiteral("/proc/self/statm"));
  if (!file.open(QIODevice::ReadOnly)) return 0;
  const QByteArrayList pages = file.readAll().split(' ');
  return pages.size() < 2 ? 0 : pages[1].toLongLong() * ::sysconf(_SC_PAGESIZE);
}
}  // namespace

StatusLine::StatusLine(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace) {
  setObjectName(QStringLiteral("statusLine"));
  const auto size = [this] { setFixedHeight(scaled_length(30)); };
  size();
  connect(&Theme::instance(), &Theme::changed, this, size);
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(16, 0, 12, 0);
  layout->setSpacing(24);
  for (QLabel** label : {&device_, &held_, &memory_, &speed_, &queue_}) {
    *label = text_label(this);
    (*label)->setFont(scaled_font(0.9));
    layout->addWidget(*label);
  }
  device_->setObjectName(QStringLiteral("deviceLabel"));
  held_->setObjectName(QStringLiteral("heldLabel"));
  memory_->setObjectName(QStringLiteral("memoryLabel"));
  speed_->setObjectName(QStringLiteral("speedLabel"));
  queue_->setObjectName(QStringLiteral("queueLabel"));
  layout->addStretch(1);
  work_ = text_label(this);
  work_->setObjectName(QStringLiteral("workLabel"));
  work_->setFont(scaled_font(0.9));
  layout->addWidget(work_);
  bar_ = new QProgressBar(this);
  bar_->setObjectName(QStringLiteral("workBar"));
  bar_->setRange(0, kBarSteps);
  bar_->setTextVisible(false);
  bar_->setFixedSize(160, 10);
  layout->addWidget(bar_);
  cancel_ = new QToolButton(this);
  cancel_->setObjectName(QStringLiteral("cancelWork"));
  cancel_->setAutoRaise(true);
  set_themed_icon(cancel_, QStringLiteral("close"));
  layout->addWidget(cancel_);
  connect(cancel_, &QToolButton::clicked, this, [this] { workspace_.session().cancel(request_); });
  hide_progress();
  look_.setInterval(kHeldMilliseconds);
  connect(&look_, &QTimer::timeout, this, &StatusLine::show_held);
  look_.start();

  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::progressed, this, &StatusLine::show_progress);
  connect(&bridge, &SessionBridge::request_done, this, [this](const RequestDone& event) {
    if (event.request == request_) hide_progress();
  });
  connect(&bridge, &SessionBridge::state_changed, this, [this](SessionState state) {
    if (request_ == 0 && state != SessionState::Loading && state != SessionState::Preparing)
      hide_progress();
    refresh();
  });
  connect(&bridge, &SessionBridge::command_failed, this, [this] { hide_progress(); });
  connect(&workspace_.queue(), &RunQueue::changed, this, &StatusLine::refresh);
  connect(&workspace_, &Workspace::model_changed, this, &StatusLine::refresh);
  connect(&workspace_, &Workspace::run_grew, this, &StatusLine::refresh);
  connect(&workspace_, &Workspace::run_started, this, &StatusLine::refresh);
  connect(&workspace_, &Workspace::run_ended, this, &StatusLine::refresh);
  on_language(this, [this] {
    cancel_->setToolTip(tr("Cancel this work"));
    cancel_->setAccessibleName(tr("Cancel this work"));
    refresh();
  });
}

void StatusLine::refresh() {
  const auto& model = workspace_.model();
  device_->setText(model ? QStringLiteral("%1 · %2").arg(QString::fromStdString(model->device),
                                                         QString::fromStdString(model->dtype))
                         : tr("no device in use"));
  device_->setToolTip(model ? said_text(model->device_note) : QString());
  const auto waiting = static_cast<int>(workspace_.queue().waiting());
  queue_->setText(tr("%n runs wait", nullptr, waiting));
  queue_->setVisible(waiting > 0);
  const MetricsLine* line = newest_line();
  memory_->setVisible(line);
  speed_->setVisible(line);
  show_held();
  if (!line) {
    memory_->clear();
    speed_->clear();
    return;
  }
  const QString peak = bytes_text(line->memory.peak);
  const QString speed = grouped_text(static_cast<std::int64_t>(line->tokens_per_second));
  if (workspace_.run()->ended) {
    // What it takes now is another matter; these are the run's own figures.
    memory_->setText(tr("Last run: peak %1").arg(peak));
    speed_->setText(tr("%1 tokens/s").arg(speed));
    return;
  }
  memory_->setText(tr("Memory %1 · peak %2").arg(bytes_text(line->memory.allocated), peak));
  speed_->setText(tr("%1 tokens/s").arg(speed));
}

/// A run tells of its memory by part; without one it is said what there is to say.
void StatusLine::show_held() {
  const std::int64_t bytes = newest_line() ? 0 : held_bytes();
  held_->setVisible(bytes > 0);
  if (bytes == 0) return;
  held_->setText(tr("Memory %1").arg(bytes_text(bytes)));
  held_->setToolTip(tr("What this program holds of the machine's memory"));
}

const MetricsLine* StatusLine::newest_line() const {
  const auto& run = workspace_.run();
  if (!run || run->lines.empty()) return nullptr;
  // Of a resumed run, lines from before stand in front of its own.
  if (run->lines.back().step <= run->started.first_step) return nullptr;
  if (!run->ended) return &run->lines.back();
  // A run that is over says nothing of another model, nor of the next run.
  const auto& model = workspace_.model();
  const SessionState state = workspace_.state();
  if (!model || state == SessionState::Loading || state == SessionState::Preparing) return nullptr;
  std::error_code problem;
  const bool same =
      std::filesystem::equivalent(run->started.recipe.model, model->summary.folder, problem);
  return same && !problem ? &run->lines.back() : nullptr;
}

void StatusLine::show_progress(const Progress& event) {
  request_ = event.request;
  work_->setText(progress_text(event.what));
  const bool known = event.total > 0;
  bar_->setRange(0, known ? kBarSteps : 0);
  if (known) bar_->setValue(static_cast<int>(kBarSteps * event.done / event.total));
  work_->show();
  bar_->show();
  cancel_->setVisible(request_ != 0);
  if (known && event.done >= event.total) hide_progress();
}

void StatusLine::hide_progress() {
  request_ = 0;
  work_->hide();
  bar_->hide();
  cancel_->hide();
}

void StatusLine::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.fillRect(rect(), colours().card);
  p.setPen(colours().line);
  p.drawLine(0, 0, width(), 0);
}

}  // namespace luthier
