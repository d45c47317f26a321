// SPDX-License-Identifier: GPL-3.0-or-later
// The table's contents.
#include "ui/methods/short_run_model.h"

#include <QIcon>
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

/// What a column is judged by, the higher the better.
std::optional<double> merit(const ShortRun& run, int column) {
  switch (column) {
    case ShortRunModel::Exact: return run.score("exact_match");
    case ShortRunModel::TokenF1: return run.score("token_f1");
    case ShortRunModel::HeldOut:
      return run.eval_loss ? std::optional<double>(-*run.eval_loss) : std::nullopt;
    default: return std::nullopt;
  }
}

QString share_text(const std::optional<double>& share) {
  return share ? QStringLiteral("%1 %").arg(100 * *share, 0, 'f', 1) : QString();
}

/// "+0.0312", with a minus as long as a plus.
QString signed_text(double value, int digits) {
  return (value < 0 ? QStringLiteral("−") : QStringLiteral("+")) +
         QString::number(std::abs(value), 'f', digits);
}
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

bool ShortRunModel::is_best(const ShortRun& run, int column) const {
  const auto own = merit(run, column);
  if (!own) return false;
  bool better_than_one = false;
  for (const ShortRun& other : runs_) {
    const auto its = merit(other, column);
    if (its && *its > *own) return false;
    better_than_one = better_than_one || (its && *its < *own);
  }
  return better_than_one;
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
    case Exact: return share_text(run.score("exact_match"));
    case TokenF1: return share_text(run.score("token_f1"));
    case HeldOut: return run.eval_loss ? QString::number(*run.eval_loss, 'f', 4) : QString();
    case Perplexity: return run.eval_loss ? number_text(*run.perplexity(), 4) : QString();
    case Lost: {
      const auto lost = lost_by_packing(runs_, run);
      if (!lost) return {};
      const QString perplexity = signed_text(100 * (std::exp(*lost) - 1), 1) + QStringLiteral(" %");
      const auto exact = exact_lost_by_packing(runs_, run);
      return exact ? tr("%1 pp · %2").arg(signed_text(-100 * *exact, 1), perplexity) : perplexity;
    }
    case Peak: return run.peak_memory > 0 ? bytes_text(run.peak_memory) : QString();
    case File: return run.file > 0 ? decimal_text(run.file) : QString();
    default: return {};
  }
}

QString ShortRunModel::tip(const ShortRun& run, int column) const {
  QStringList said;
  if (is_best(run, column))
    said << (column == HeldOut ? tr("The lowest of them") : tr("The highest of them"));
  if ((column == Exact || column == TokenF1) && run.answered > 0) {
    said << tr("Of %n answers to held-out rows", nullptr, static_cast<int>(run.answered));
    if (const auto chrf = run.score("chrf")) said << tr("chrF %1").arg(share_text(chrf));
    if (const auto json = run.score("json_valid"))
      said << tr("valid JSON %1").arg(share_text(json));
  }
  if (column == Lost) {
    const auto lost = lost_by_packing(runs_, run);
    if (lost) said << tr("Held-out loss %1").arg(signed_text(*lost, 4));
  }
  return said.join(QLatin1Char('\n'));
}

QVariant ShortRunModel::data(const QModelIndex& index, int role) const {
  const ShortRun& run = runs_[static_cast<std::size_t>(index.row())];
  switch (role) {
    case Qt::DisplayRole: return text(run, index.column());
    case Qt::TextAlignmentRole:
      return QVariant(left(index.column()) ? Qt::AlignLeft | Qt::AlignVCenter
                                           : Qt::AlignRight | Qt::AlignVCenter);
    case Qt::FontRole:
      return is_best(run, index.column()) ? QVariant(scaled_font(1.0, true)) : QVariant();
    case Qt::ToolTipRole:
      if (run.error) return error_text(*run.error);
      return tip(run, index.column());
    case Qt::DecorationRole: {
      if (run.error &&
          (index.column() == State || (index.column() == StepTime && run.step_seconds <= 0)))
        return themed_icon(QStringLiteral("warning"), colours().warning);
      if (index.column() != Method) return {};
      QPixmap swatch(12, 12);
      swatch.fill(
          colours().series[static_cast<std::size_t>(index.row()) % colours().series.size()]);
      QIcon icon(swatch);
      icon.addPixmap(swatch, QIcon::Selected);  // else the selection's colour lies over it
      return icon;
    }
    default: return {};
  }
}

QVariant ShortRunModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return {};
  if (role == Qt::TextAlignmentRole)
    return QVariant(left(section) ? Qt::AlignLeft | Qt::AlignVCenter
                                  : Qt::AlignRight | Qt::AlignVCenter);
  const QString names[] = {tr("Method"),   tr("Step"),          tr("Tokens/s"),   tr("Exact"),
                           tr("Token F1"), tr("Held-out loss"), tr("Perplexity"), tr("4 bits lose"),
                           tr("Loss"),     tr("Peak memory"),   tr("File"),       tr("State")};
  const QString tips[] = {
      tr("In the colour of its curve"),
      tr("Median over the steps but the first"),
      tr("Tokens of the steps but the first, over their seconds"),
      tr("Share of the answers to the first held-out rows that are the expected ones, to the "
         "letter"),
      tr("Words that the answers to the first held-out rows share with the expected ones"),
      tr("Loss on the recipe's evaluation data after the last step"),
      tr("e to the power of the held-out loss"),
      tr("Against the same method over the plain weights: exact answers in percentage points, and "
         "perplexity"),
      tr("Training loss of the last step"),
      tr("At most in memory during a step"),
      tr("Tensors that the run left behind"),
      tr("What the run is at")};
  if (role == Qt::DisplayRole) return names[section];
  if (role == Qt::ToolTipRole) return tips[section];
  return {};
}

}  // namespace luthier
