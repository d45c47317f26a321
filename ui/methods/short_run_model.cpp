// SPDX-License-Identifier: GPL-3.0-or-later
// The table's contents.
#include "ui/methods/short_run_model.h"

#include <QPixmap>
#include <cmath>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/methods/method_model.h"
#include "ui/theme.h"

namespace luthier {

namespace {
bool left(int column) { return column == ShortRunModel::Method || column == ShortRunModel::State; }
}  // namespace

void ShortRunModel::show_runs(const std::vector<ShortRun>& runs) {
  if (runs.size() != runs_.size()) {
    beginResetModel();
    runs_ = runs;
    endResetModel();
    return;
  }
  runs_ = runs;
  if (!runs_.empty()) emit dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

void ShortRunModel::retranslate() {
  emit headerDataChanged(Qt::Horizontal, 0, ColumnCount - 1);
  if (!runs_.empty()) emit dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

int ShortRunModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(runs_.size());
}
int ShortRunModel::columnCount(const QModelIndex&) const { return ColumnCount; }

bool ShortRunModel::is_best(const ShortRun& run) const {
  if (!run.eval_loss || runs_.size() < 2) return false;
  for (const ShortRun& other : runs_)
    if (other.eval_loss && *other.eval_loss < *run.eval_loss) return false;
  return true;
}

QString ShortRunModel::text(const ShortRun& run, int column) const {
  switch (column) {
    case Method: return method_label(run.method, run.four_bits);
    case State: return run.state.empty() ? tr("waits") : state_text(run.state);
    case StepTime:
      // Until there is one, what the run is at.
      if (run.step_seconds <= 0) return text(run, State);
      return run.step_seconds < 10 ? tr("%1 ms").arg(number_text(1000 * run.step_seconds, 3))
                                   : tr("%1 s").arg(number_text(run.step_seconds, 3));
    case Speed:
      return run.tokens_per_second > 0 ? number_text(run.tokens_per_second, 3) : QString();
    case Loss: return run.loss ? QString::number(*run.loss, 'f', 4) : QString();
    case HeldOut: return run.eval_loss ? QString::number(*run.eval_loss, 'f', 4) : QString();
    case Perplexity: return run.eval_loss ? number_text(*run.perplexity(), 4) : QString();
    case Lost: {
      const auto lost = lost_by_packing(runs_, run);
      if (!lost) return {};
      const double share = 100 * (std::exp(*lost) - 1);
      return QStringLiteral("%1%2 · %3%4 %")
          .arg(*lost < 0 ? QStringLiteral("−") : QStringLiteral("+"))
          .arg(std::abs(*lost), 0, 'f', 4)
          .arg(share < 0 ? QStringLiteral("−") : QStringLiteral("+"))
          .arg(std::abs(share), 0, 'f', 1);
    }
    case Peak: return run.peak_memory > 0 ? bytes_text(run.peak_memory) : QString();
    case File: return run.file > 0 ? decimal_text(run.file) : QString();
    default: return {};
  }
}

QVariant ShortRunModel::data(const QModelIndex& index, int role) const {
  const ShortRun& run = runs_[static_cast<std::size_t>(index.row())];
  switch (role) {
    case Qt::DisplayRole: return text(run, index.column());
    case Qt::TextAlignmentRole:
      return QVariant(left(index.column()) ? Qt::AlignLeft | Qt::AlignVCenter
                                           : Qt::AlignRight | Qt::AlignVCenter);
    case Qt::FontRole:
      return index.column() == HeldOut && is_best(run) ? QVariant(scaled_font(1.0, true))
                                                       : QVariant();
    case Qt::ToolTipRole:
      if (run.error) return error_text(*run.error);
      if (index.column() == HeldOut && is_best(run)) return tr("The lowest of them");
      return {};
    case Qt::DecorationRole: {
      if (run.error &&
          (index.column() == State || (index.column() == StepTime && run.step_seconds <= 0)))
        return themed_icon(QStringLiteral("warning"), colours().warning);
      if (index.column() != Method) return {};
      QPixmap swatch(12, 12);
      swatch.fill(
          colours().series[static_cast<std::size_t>(index.row()) % colours().series.size()]);
      return swatch;
    }
    default: return {};
  }
}

QVariant ShortRunModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return {};
  if (role == Qt::TextAlignmentRole)
    return QVariant(left(section) ? Qt::AlignLeft | Qt::AlignVCenter
                                  : Qt::AlignRight | Qt::AlignVCenter);
  const QString names[] = {tr("Method"),     tr("Step"),        tr("Tokens/s"), tr("Held-out"),
                           tr("Perplexity"), tr("4 bits lose"), tr("Loss"),     tr("Peak memory"),
                           tr("File"),       tr("State")};
  const QString tips[] = {
      tr("In the colour of its curve"),
      tr("Median over the steps but the first"),
      tr("Tokens of the steps but the first, over their seconds"),
      tr("Loss on the recipe's evaluation data after the last step"),
      tr("e to the power of the held-out loss"),
      tr("Held-out loss and perplexity above those of the same method over the plain weights"),
      tr("Training loss of the last step"),
      tr("At most in memory during a step"),
      tr("Tensors that the run left behind"),
      tr("What the run is at")};
  if (role == Qt::DisplayRole) return names[section];
  if (role == Qt::ToolTipRole) return tips[section];
  return {};
}

}  // namespace luthier
