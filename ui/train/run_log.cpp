// SPDX-License-Identifier: GPL-3.0-or-later
// Bounded logs of a run.
#include "ui/train/run_log.h"

#include <QCoreApplication>
#include <QDateTime>
#include <QHeaderView>
#include <algorithm>
#include <iterator>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

constexpr std::size_t kMostLines = 2000;
constexpr std::size_t kMostAtOnce = 200;
constexpr int kWriteMilliseconds = 500;

QString line_text(const MetricsLine& line) {
  QString text =
      QStringLiteral("%1  %2  loss %3  norm %4  lr %5  %6 tok/s  %7  %8")
          .arg(line.step, 6)
          .arg(line.epoch, 7, 'f', 3)
          .arg(QString::number(line.loss, 'f', 4).rightJustified(8),
               QString::number(line.grad_norm, 'f', 3).rightJustified(7),
               QString::number(line.learning_rate, 'e', 2),
               grouped_text(static_cast<std::int64_t>(line.tokens_per_second)).rightJustified(7),
               bytes_text(line.memory.allocated).rightJustified(9),
               line.eval_loss ? QStringLiteral("eval %1").arg(*line.eval_loss, 0, 'f', 4)
                              : QString());
  for (const auto& [name, value] : line.figures)
    text += QStringLiteral("  %1 %2").arg(QString::fromStdString(name)).arg(value, 0, 'g', 4);
  return text;
}

}  // namespace

QString event_text(const std::string& kind) {
  return QCoreApplication::translate("event", kind.c_str());
}

StepLog::StepLog(Workspace& workspace, QWidget* parent)
    : QPlainTextEdit(parent), workspace_(workspace) {
  setObjectName(QStringLiteral("stepLog"));
  setReadOnly(true);
  setMaximumBlockCount(static_cast<int>(kMostLines));
  setLineWrapMode(QPlainTextEdit::NoWrap);
  setFrameShape(QFrame::NoFrame);
  blend_in(this, false);
  setFont(code_font(0.85));
  timer_.setSingleShot(true);
  timer_.setInterval(kWriteMilliseconds);
  connect(&timer_, &QTimer::timeout, this, [this] { append_new(kMostAtOnce); });
  connect(&workspace_, &Workspace::run_started, this, &StepLog::restart);
  connect(&workspace_, &Workspace::run_history_read, this, [this] {
    restart();
    append_new(kMostLines);
  });
  connect(&workspace_, &Workspace::run_grew, this, [this] {
    if (!timer_.isActive()) timer_.start();
  });
  on_language(this, [this] {
    setAccessibleName(tr("Log of the run"));
    setPlaceholderText(tr("A line a step appears here once a run trains."));
  });
}

void StepLog::restart() {
  clear();
  written_ = 0;
}

void StepLog::append_new(std::size_t most) {
  const auto& run = workspace_.run();
  if (!run) return;
  // After a burst only the last lines are worth reading; the rest is in metrics.jsonl.
  if (run->lines.size() - written_ > most) written_ = run->lines.size() - most;
  QStringList text;
  for (; written_ < run->lines.size(); ++written_) text << line_text(run->lines[written_]);
  if (!text.isEmpty()) appendPlainText(text.join(QLatin1Char('\n')));
}

EventTable::EventTable(Workspace& workspace, QWidget* parent)
    : QTableWidget(0, 4, parent), workspace_(workspace) {
  setObjectName(QStringLiteral("eventTable"));
  make_quiet(this);
  setEditTriggers(QAbstractItemView::NoEditTriggers);
  setSelectionBehavior(QAbstractItemView::SelectRows);
  setTabKeyNavigation(false);
  verticalHeader()->hide();
  verticalHeader()->setDefaultSectionSize(24);
  horizontalHeader()->setStretchLastSection(true);
  setShowGrid(false);
  setWordWrap(false);
  connect(&Theme::instance(), &Theme::changed, this, [this] {
    for (int row = 0; row < rowCount(); ++row)
      if (!item(row, 2)->icon().isNull())
        item(row, 2)->setIcon(themed_icon(QStringLiteral("warning"), colours().warning));
    size_columns();  // with the size of words
  });
  connect(&workspace_, &Workspace::run_started, this, [this] {
    setRowCount(0);
    written_ = 0;
  });
  connect(&workspace_, &Workspace::run_grew, this, &EventTable::append_new);
  connect(&workspace_, &Workspace::run_history_read, this, &EventTable::restart);
  on_language(this, [this] {
    setAccessibleName(tr("Events of the run"));
    setHorizontalHeaderLabels({tr("Time"), tr("Step"), tr("Event"), tr("Detail")});
    for (int column = 0; column < columnCount(); ++column)
      horizontalHeaderItem(column)->setTextAlignment(
          (column == 1 ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    size_columns();
    restart();
  });
}

/// As wide as what usually stands in them; the detail has the rest.
void EventTable::size_columns() {
  constexpr int kRoom = 24;
  const QString usual[] = {QStringLiteral("88:88:88"), QStringLiteral("888888"),
                           QStringLiteral("8888888888888888")};
  for (int column = 0; column < static_cast<int>(std::size(usual)); ++column)
    setColumnWidth(column, kRoom + std::max(fontMetrics().horizontalAdvance(usual[column]),
                                            horizontalHeader()->fontMetrics().horizontalAdvance(
                                                horizontalHeaderItem(column)->text())));
}

void EventTable::restart() {
  setRowCount(0);
  written_ = 0;
  append_new();
}

void EventTable::append_new() {
  const auto& run = workspace_.run();
  if (!run) return;
  const auto& events = run->events;
  // Of very many the newest are shown; the rest is in events.jsonl.
  if (events.size() - written_ > kMostLines) written_ = events.size() - kMostLines;
  int row = rowCount();
  if (written_ < events.size()) setRowCount(row + static_cast<int>(events.size() - written_));
  const bool any = row < rowCount();
  for (; written_ < events.size(); ++written_) show_event(row++, events[written_]);
  if (const int over = rowCount() - static_cast<int>(kMostLines); over > 0)
    model()->removeRows(0, over);
  if (any) scrollToBottom();
}

void EventTable::show_event(int row, const RunEvent& event) {
  const QDateTime time =
      QDateTime::fromString(QString::fromStdString(event.time), Qt::ISODateWithMs).toLocalTime();
  auto* step = new QTableWidgetItem(QString::number(event.step));
  step->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
  setItem(row, 0,
          new QTableWidgetItem(time.isValid() ? time.toString(QStringLiteral("HH:mm:ss"))
                                              : QString::fromStdString(event.time)));
  setItem(row, 1, step);
  setItem(row, 2, new QTableWidgetItem(event_text(event.kind)));
  setItem(row, 3, new QTableWidgetItem(said_text(event.detail)));
  item(row, 3)->setToolTip(item(row, 3)->text());  // the line may be longer than the column
  if (event.kind == "warning" || event.kind == "alarm" || event.kind == "failed")
    item(row, 2)->setIcon(themed_icon(QStringLiteral("warning"), colours().warning));
}

}  // namespace luthier
