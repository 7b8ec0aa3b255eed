/** Small drawings in the colour of the text; none of them says anything that a word beside it does not. */

const PATHS = {
  overview: "M2 2h5v7H2zM9 2h5v4H9zM9 8h5v6H9zM2 11h5v3H2z",
  accounts: "M2 3h12v2H2zM2 7h12v2H2zM2 11h12v2H2z",
  volatility:
    "M1.5 4.5C4 13 6 13 8 8.500s4-4 6.500-4.500l0 1.600c-2 .4-3.500 1.400-5.200 4.800-2.500 5-5.800 4-8-4z",
  health: "M1 8.700V7.300h3L6 2.500l3 9 2-4.200h4v1.400h-3.100L8.900 14 5.900 5.500 4.900 8.700z",
  liquidations: "M2 14V9h2.400v5zM5.200 14V5h2.400v9zM8.400 14V2h2.400v12zM11.600 14V7H14v7z",
  parameters:
    "M2 4.300h6V3h2v1.300h4v1.400h-4V7H8V5.700H2zM2 10.300h2V9h2v1.300h8v1.400H6V13H4v-1.300H2z",
  time: "M8 1.500a6.500 6.500 0 1 1-5.900 3.800L3.400 6A5 5 0 1 0 8 3zM7.300 4.500h1.400v3.300l2.300 2.300-1 1-2.700-2.700zM1 2h1.400v3.600H6V7H1z",
  transparency:
    "M8 3c3.500 0 5.900 2.600 7 5-1.100 2.400-3.500 5-7 5s-5.900-2.600-7-5c1.100-2.400 3.500-5 7-5zm0 1.500c-2.500 0-4.300 1.700-5.300 3.500 1 1.800 2.800 3.500 5.300 3.500s4.300-1.700 5.300-3.500c-1-1.800-2.800-3.500-5.300-3.500zM8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
  sun: "M8 4.800a3.200 3.200 0 1 1 0 6.400 3.200 3.200 0 0 1 0-6.400zM7.300 1h1.400v2.200H7.300zM7.300 12.800h1.400V15H7.300zM1 7.300h2.200v1.400H1zM12.800 7.300H15v1.400h-2.200zM2.600 3.600l1-1 1.500 1.500-1 1zM10.900 11.900l1-1 1.500 1.500-1 1zM2.600 12.400l1.500-1.500 1 1-1.500 1.500zM10.900 4.100l1.500-1.500 1 1-1.500 1.500z",
  moon: "M6.500 1.800a6.400 6.400 0 1 0 7.700 8.200A5.600 5.600 0 0 1 6.500 1.800z",
  keyboard:
    "M1 4h14v8.500H1zM2.400 5.400v5.700h11.200V5.400zM3.500 6.500h1.300v1.200H3.500zM6 6.500h1.300v1.200H6zM8.600 6.500h1.300v1.200H8.600zM11.200 6.500h1.300v1.200h-1.300zM4.500 8.900h7v1.200h-7z",
  close:
    "M3.500 2.500 8 7l4.500-4.500 1 1L9 8l4.500 4.500-1 1L8 9l-4.500 4.500-1-1L7 8 2.500 3.500z",
  alert: "M8 1.500 15.300 14H.7zM7.300 6v4h1.400V6zM7.300 11v1.400h1.400V11z",
  wait: "M8 1.500a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13zM8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3zM7.300 4.500h1.400v3.300l2.300 1.500-.8 1.200-2.900-1.900z",
  empty: "M2 2h12v12H2zM3.400 3.400v9.200h9.200V3.400zM5 7.300h6v1.400H5z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 14 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="currentColor" fillRule="evenodd" />
    </svg>
  );
}
